"""What a plan costs, known before any model runs.

The network sees one window per stage and diffusion step, by some samplers more than once. Stages of which none
observes what another makes can share a network call, so the least time that a device needs follows from the longest
chain of stages that wait for each other, the device's work from the number of all stages.
"""

from __future__ import annotations

from dataclasses import dataclass

from viddiff.diffusion.sampler_names import evaluations
from viddiff.inference.plan import Plan, waves


@dataclass(frozen=True)
class PlanCost:
    """The cost of completing one video.

    stages: windows to complete; chain: how many of them, at most, wait for each other; diffusion_steps:
    noise levels in which one is completed; max_frames: places of a window; largest_window: the most that a
    stage fills; filled: the share of all places that stages fill, in (0, 1]; selected: observed frames that
    are chosen at run time, over all stages; evaluations: network evaluations of one window each;
    sequential_evaluations: network calls one after the other, if all stages that can share a call do.
    """

    stages: int
    chain: int
    diffusion_steps: int
    max_frames: int
    largest_window: int
    filled: float
    selected: int
    evaluations: int
    sequential_evaluations: int


def plan_cost(plan: Plan, max_frames: int, diffusion_steps: int, sampler: str = "ancestral") -> PlanCost:
    """The cost of a plan in windows of `max_frames` frames, each completed in so many diffusion steps by a sampler.

    Raises `PlanError` if the plan cannot be executed in such windows, `InputError` for a wrong name of a sampler.
    """
    plan.check(max_frames)
    windows = [stage.places for stage in plan.stages]
    chain, each = len(waves(plan)), evaluations(sampler, diffusion_steps)
    return PlanCost(
        stages=len(windows),
        chain=chain,
        diffusion_steps=diffusion_steps,
        max_frames=max_frames,
        largest_window=max(windows),
        filled=sum(windows) / (len(windows) * max_frames),
        selected=sum(stage.n_select for stage in plan.stages),
        evaluations=len(windows) * each,
        sequential_evaluations=chain * each,
    )
