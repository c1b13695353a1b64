"""The cost card of an evaluation: what its plan costs with its sampler, and how long that took before.

It needs no checkpoint and no device. The number of diffusion steps is in the name of the checkpoint's folder if
that names a respacing; else in the settings of the training, if these are known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from viddiff.diffusion.respacing import diffusion_steps
from viddiff.errors import reading
from viddiff.files.json_files import number, read_json, short_text, whole_number
from viddiff.files.write import write_json
from viddiff.inference.cost import PlanCost, plan_cost
from viddiff.inference.plan import Plan
from viddiff.tree.paths import Evaluation
from viddiff.tree.timing import read_timings

DIFFUSION_STEPS = 1000  # of a training that does not say
_OF_SECOND = (
    "second_checkpoint",
    "second_stages",
    "second_evaluations",
)  # in the cards of plans that have one


@dataclass(frozen=True)
class Estimate:
    """Time by earlier jobs on one device: the median of their seconds per window evaluation, and the records."""

    device: str
    seconds_per_evaluation: float
    timings: tuple[str, ...]


@dataclass(frozen=True)
class CostCard:
    """The cost of one video of an evaluation.

    steps_from: what tells the number of diffusion steps; estimates: one for each device of earlier jobs, the
    fastest first.
    """

    cost: PlanCost
    steps_from: str
    estimates: tuple[Estimate, ...]

    def hours(self, estimate: Estimate) -> float:
        """Hours of the device for one video."""
        return self.cost.evaluations * estimate.seconds_per_evaluation / 3600

    def lines(self) -> list[str]:
        """The card in words."""
        cost = self.cost
        selected = f"; {_count(cost.selected, 'observed frame')} chosen at run time" if cost.selected else ""
        return [
            f"{_count(cost.stages, 'stage')}, longest chain of dependent ones {cost.chain:,}; windows of up to "
            f"{_count(cost.largest_window, 'frame')}, {cost.filled:.1%} of places filled{selected}",
            f"{_count(cost.evaluations, 'network evaluation')} per video, {cost.sequential_evaluations:,} in "
            f"sequence: {_count(cost.diffusion_steps, 'diffusion step')} ({self.steps_from})",
            *([f"of these {self._of_second()}"] if cost.second_checkpoint else []),
            *(
                f"{self.hours(estimate):.2g} device-hours per video on {estimate.device}: "
                f"median of {_count(len(estimate.timings), 'earlier job')}"
                for estimate in self.estimates
            ),
        ]

    def brief(self) -> str:
        """The card in one short line."""
        cost = self.cost
        second = f"; {self._of_second()}" if cost.second_checkpoint else ""
        return (
            f"{_count(cost.stages, 'stage')}, chain {cost.chain:,}; {_count(cost.evaluations, 'evaluation')}, "
            f"{cost.sequential_evaluations:,} in sequence; {cost.filled:.1%} filled{second}"
        )

    def _of_second(self) -> str:
        cost = self.cost
        stages, evaluations = (
            _count(cost.second_stages, "stage"),
            _count(cost.second_evaluations, "evaluation"),
        )
        return f"{stages}, {evaluations} by {cost.second_checkpoint}"

    def write(self, path: Path | str) -> None:
        """Write the card as JSON, atomically, with the hours of each estimate."""
        estimates = [asdict(estimate) | {"device_hours": self.hours(estimate)} for estimate in self.estimates]
        cost = asdict(self.cost)
        if not self.cost.second_checkpoint:
            cost = {name: value for name, value in cost.items() if name not in _OF_SECOND}
        write_json(path, cost | {"steps_from": self.steps_from, "estimates": estimates})

    @staticmethod
    def read(path: Path) -> CostCard:
        """Read what `write` wrote. Raises `InputError` naming the file if it is something else."""
        with reading(path, "a cost card"):
            content = read_json(path)
            return CostCard(
                _read_cost(content),
                short_text(content["steps_from"]),
                tuple(
                    Estimate(
                        short_text(item["device"]),
                        number(item["seconds_per_evaluation"]),
                        tuple(map(short_text, item["timings"])),
                    )
                    for item in content["estimates"]
                ),
            )


def _read_cost(content: Mapping[str, Any]) -> PlanCost:
    second = short_text(content.get("second_checkpoint", ""))
    names = [field.name for field in fields(PlanCost) if second or field.name not in _OF_SECOND]
    whole = {
        name: whole_number(content[name]) for name in names if name not in ("filled", "second_checkpoint")
    }
    return PlanCost(**whole, filled=number(content["filled"]), second_checkpoint=second)


def cost_card(
    evaluation: Evaluation,
    plan: Plan,
    training: Mapping[str, Any],
    model_config: Path | None,
    timings: Iterable[Path],
) -> CostCard:
    """The card of an evaluation that executes `plan`.

    training: the configured settings of the run, empty if it has none; model_config: those of the checkpoint,
    if they exist; timings: records of earlier jobs, see `viddiff.tree.timing.timing_files`.

    Raises `PlanError` if the plan does not fit the mode's windows, `InputError` for files that cannot be read.
    """
    steps, source = _diffusion_steps(evaluation, training, model_config)
    mode, sampler = evaluation.mode, evaluation.checkpoint.sampler
    cost = plan_cost(plan, mode.given("max_frames"), steps, sampler, mode.recipe.treatment)
    return CostCard(cost, source, _estimates(timings))


def _diffusion_steps(
    evaluation: Evaluation, training: Mapping[str, Any], model_config: Path | None
) -> tuple[int, str]:
    """Noise levels of a window, and what tells their number."""
    respacing = evaluation.checkpoint.respacing
    if respacing:
        return diffusion_steps(respacing), "by the folder's name"
    settings = training if model_config is None else _read_settings(model_config)
    source = "as configured" if model_config is None else "as trained"
    for key in ("timestep_respacing", "diffusion_steps"):
        if settings.get(key):
            return diffusion_steps(str(settings[key])), source
    return DIFFUSION_STEPS, "by default"


def _read_settings(path: Path) -> Mapping[str, Any]:
    with reading(path, "the settings of a training"):
        return dict(read_json(path))


def _estimates(paths: Iterable[Path]) -> tuple[Estimate, ...]:
    seconds: dict[str, dict[str, float]] = defaultdict(dict)
    for path, timing in read_timings(paths).items():
        seconds[timing.device][str(path)] = timing.seconds_per_evaluation
    estimates = [Estimate(device, median(jobs.values()), tuple(jobs)) for device, jobs in seconds.items()]
    return tuple(sorted(estimates, key=lambda estimate: estimate.seconds_per_evaluation))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
