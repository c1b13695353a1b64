"""Small steps of a new grid that one job makes together: starting a job for each would take longer than the steps.

There is a rule without wildcards for each such job, which Snakemake prefers to those for single files. It makes files
that did not exist when the call was planned, and its cells are few, so that none waits for long for the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from viddiff.tree.paths import Evaluation
from viddiff.workflow.targets import Cell, Pairs

T = TypeVar("T")

MOST_SAMPLES = 40  # of all cells that a job waits for


@dataclass(frozen=True)
class Together:
    """What jobs make together, an entry for each job.

    plans: evaluations that get a plan, its cost and its picture; model_configs: evaluations of one checkpoint; metrics:
    cells of one checkpoint; animations: by their suffix, samples to animate, of one checkpoint.
    """

    plans: Sequence[Sequence[Evaluation]] = ()
    model_configs: Sequence[Sequence[Evaluation]] = ()
    metrics: Sequence[Sequence[Cell]] = ()
    animations: Mapping[str, Sequence[Sequence[tuple[Evaluation, int, int]]]] = field(default_factory=dict)

    def kinds(self) -> dict[str, str]:
        """The rule for single files whose settings hold for each rule of this kind, by the rule's name."""
        return {f"new_metrics_{number}": "evaluate" for number in range(len(self.metrics))} | {
            f"new_{ext}s_{number}": ext
            for ext, groups in self.animations.items()
            for number in range(len(groups))
        }


def plan_together(cells: Sequence[Cell], animations: Mapping[str, Pairs], here: bool) -> Together:
    """What the cells that a call asks for lack, as far as it is made together.

    animations: those to make, by their suffix; here: whether all jobs run on this machine. A cluster runs jobs next to
    each other, and reads the workflow anew for each: there, just those are put together that do not go to it.
    """
    evaluations = list(dict.fromkeys(cell.evaluation for cell in cells))
    new_plans = [evaluation for evaluation in evaluations if _has_new_plan(evaluation)]
    unread = [
        evaluation for evaluation in evaluations if not (evaluation.directory / "model_config.json").exists()
    ]
    unmeasured = [
        cell
        for cell in dict.fromkeys(cells)
        if not any(Path(cell.metrics(ext)).exists() for ext in ("pkl", "json"))
    ]
    return Together(
        plans=[new_plans] if len(new_plans) > 1 else [],
        model_configs=_groups(unread, lambda evaluation: evaluation.checkpoint_file()),
        metrics=[
            group
            for group in _groups(unmeasured if here else [], lambda cell: cell.evaluation.names[:2])
            if is_small(group)
        ],
        animations={ext: _few_animations(pairs) for ext, pairs in animations.items() if here and cells},
    )


def _few_animations(animations: Pairs) -> list[list[tuple[Evaluation, int, int]]]:
    """Samples to animate, of one checkpoint each, where they are few."""
    animated = [(evaluation, *pair) for evaluation, pairs in animations.items() for pair in sorted(pairs)]
    groups = _groups(animated, lambda animation: animation[0].names[:2])
    return [group for group in groups if len(group) <= MOST_SAMPLES]


def is_small(cells: Iterable[Cell]) -> bool:
    """Whether what waits for the samples of all of these cells waits for few."""
    return sum(cell.videos * cell.samples for cell in cells) <= MOST_SAMPLES


def _has_new_plan(evaluation: Evaluation) -> bool:
    """Whether the mode's plan is known, and nothing tells of it yet."""
    names = ("plan.json", "plan_cost.json", "plan.png")
    there = any((evaluation.directory / name).exists() for name in names)
    return evaluation.mode.optimal is None and not there


def _groups(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Items with the same key, where there are several."""
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return [group for group in groups.values() if len(group) > 1]
