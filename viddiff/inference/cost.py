"""What a plan costs, known before any model runs.

The network sees one window per stage and diffusion step, by some samplers and with guidance by history more than once.
Stages of which none
observes what another makes can share a network call, so the least time that a device needs follows from the longest
chain of stages that wait for each other, the device's work from the number of all stages.
"""

from __future__ import annotations

from dataclasses import dataclass

from viddiff.diffusion.sampler_names import evaluations
from viddiff.diffusion.treatment import Treatment
from viddiff.inference.plan import Plan, waves
from viddiff.inference.treated import passes

UNTREATED = Treatment()


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


def plan_cost(
    plan: Plan,
    max_frames: int,
    diffusion_steps: int,
    sampler: str = "ancestral",
    treatment: Treatment = UNTREATED,
) -> PlanCost:
    """The cost of a plan in windows of `max_frames` frames, each completed in so many diffusion steps by a sampler.

    treatment: what is done in each stage beside that.

    Raises `PlanError` if the plan cannot be executed in such windows, `InputError` for a wrong name of a sampler.
    """
    plan.check(max_frames)
    windows = [stage.places for stage in plan.stages]
    each, order = stage_evaluations(plan, diffusion_steps, sampler, treatment), waves(plan)
    return PlanCost(
        stages=len(windows),
        chain=len(order),
        diffusion_steps=diffusion_steps,
        max_frames=max_frames,
        largest_window=max(windows),
        filled=sum(windows) / (len(windows) * max_frames),
        selected=sum(stage.n_select for stage in plan.stages),
        evaluations=sum(each),
        sequential_evaluations=sum(max(each[number] for number in wave) for wave in order),
    )


def stage_evaluations(
    plan: Plan, diffusion_steps: int, sampler: str = "ancestral", treatment: Treatment = UNTREATED
) -> tuple[int, ...]:
    """Network evaluations of each stage's window. Raises `InputError` for a wrong name of a sampler.

    Of stages that select frames at run time they are the most that it can be.
    """
    once = evaluations(sampler, diffusion_steps)
    return tuple(once * count for count in passes(plan, treatment))
