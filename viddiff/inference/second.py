"""A second checkpoint that makes some stages of a video: one model for distant frames, another for the gaps.

Ho et al. 2022, "Video Diffusion Models", arXiv 2204.03458, complete videos so. See `docs/two-checkpoints.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from viddiff.dataset_settings import plain_size
from viddiff.errors import InputError, PlanError
from viddiff.inference.plan import Plan
from viddiff.model.sizes import frame_size


@dataclass(frozen=True)
class SecondCheckpoint:
    """A checkpoint by its names, and the first phase of a strategy that it makes."""

    run: str
    checkpoint: str
    from_phase: int = 2

    def __str__(self) -> str:
        return f"{self.run}/{self.checkpoint}"


def with_second(plan: Plan, second: SecondCheckpoint) -> Plan:
    """The plan whose stages of later phases are made by a second checkpoint.

    Raises `PlanError` unless it makes some of the stages, the first checkpoint others, and all from noise to clean.
    """
    if plan.has_steps:
        raise PlanError(
            f"second checkpoint {second}: frames would pass from model to model while they are noisy; must be a mode "
            "whose stages go from noise to clean"
        )
    phases = sorted({stage.phase for stage in plan.stages}) or [1]
    if not phases[0] < second.from_phase <= phases[-1]:
        found = f"phase {phases[0]} alone" if len(phases) == 1 else f"phases {phases[0]} to {phases[-1]}"
        raise PlanError(
            f"second checkpoint {second}: it makes stages from phase {second.from_phase} on, but the plan has {found}: "
            "one of the two checkpoints would make nothing"
        )
    stages = tuple(replace(stage, second=stage.phase >= second.from_phase) for stage in plan.stages)
    return replace(plan, stages=stages, second_checkpoint=str(second))


def check_alike(
    first: Mapping[str, Any], second: Mapping[str, Any], *, same_dataset: bool, steps: tuple[int, int] | None
) -> None:
    """Raise `InputError` if the checkpoints of two flat configs cannot make one video.

    same_dataset: whether they must be trained on the same; steps: the diffusion steps of both, if they are known.
    """
    sizes = frame_size(first), frame_size(second)
    if sizes[0] != sizes[1]:
        own, other = map(plain_size, sizes)
        raise InputError(f"its network takes frames of size {other}, that of the first checkpoint {own}")
    names = first["dataset"], second["dataset"]
    if same_dataset and names[0] != names[1]:
        raise InputError(
            f"it was trained on {names[1]}, the first checkpoint on {names[0]}; a mode that names its dataset, "
            "<dataset>_<mode>, takes both"
        )
    if steps is not None and steps[0] != steps[1]:
        raise InputError(
            f"it has {steps[1]} diffusion steps, the first checkpoint {steps[0]}; name a spacing in the folder, "
            "_respace<spec>, that gives both the same number"
        )


def second_window(plan: Plan) -> int:
    """The frames of the largest window that the second checkpoint is given."""
    return max(stage.places for stage in plan.stages if stage.second)
