"""What a plan costs, known before any model runs.

The network sees one window per stage and diffusion step. Stages of which none observes what another makes can
share a network call, so the least time that a device needs follows from the longest chain of stages that wait
for each other, the device's work from the number of all stages.
"""

from __future__ import annotations

from dataclasses import dataclass

from viddiff.inference.plan import Plan, Stage, waves


@dataclass(frozen=True)
class PlanCost:
    """The cost of completing one video.

    stages: windows to complete; chain: how many of them, at most, wait for each other; diffusion_steps:
    network evaluations that complete one; max_frames: places of a window; largest_window: the most that a
    stage fills; filled: the share of all places that stages fill, in (0, 1]; selected: observed frames that
    are chosen at run time, over all stages.
    """

    stages: int
    chain: int
    diffusion_steps: int
    max_frames: int
    largest_window: int
    filled: float
    selected: int

    @property
    def evaluations(self) -> int:
        """Network evaluations of one window each."""
        return self.stages * self.diffusion_steps

    @property
    def sequential_evaluations(self) -> int:
        """Network calls one after the other, if all stages that can share a call do."""
        return self.chain * self.diffusion_steps


def plan_cost(plan: Plan, max_frames: int, diffusion_steps: int) -> PlanCost:
    """The cost of a plan in windows of `max_frames` frames, each completed in `diffusion_steps` evaluations.

    Raises `PlanError` if the plan cannot be executed in such windows.
    """
    plan.check(max_frames)
    windows = [_frames(stage) for stage in plan.stages]
    return PlanCost(
        stages=len(windows),
        chain=len(waves(plan)),
        diffusion_steps=diffusion_steps,
        max_frames=max_frames,
        largest_window=max(windows),
        filled=sum(windows) / (len(windows) * max_frames),
        selected=sum(stage.n_select for stage in plan.stages),
    )


def _frames(stage: Stage) -> int:
    """The places of the window that a stage fills."""
    return len(stage.observed) + stage.n_select + len(stage.latent)
