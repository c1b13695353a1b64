"""What a plan costs, known before any model runs.

The network sees one window per stage and diffusion step, by some samplers and with guidance by history more than once;
in a step of a plan with noise levels per frame as often as its frames fall by a diffusion step. Stages of which none
observes what another makes can share a network call, so the least time that a device needs follows from the longest
chain of stages that wait for each other, the device's work from the number of all stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from viddiff.diffusion.level_path import check_levels, step_evaluations
from viddiff.diffusion.sampler_names import check_has_step
from viddiff.diffusion.treatment import Treatment
from viddiff.errors import InputError
from viddiff.inference.modes import Mode
from viddiff.inference.plan import Plan, waves
from viddiff.inference.treated import passes

UNTREATED = Treatment()
ONE_LEVEL = (
    "its frames are at noise levels of their own, but the network was trained with one level for all frames of a "
    "window; training: noise_levels: per_frame trains it for these"
)


@dataclass(frozen=True)
class PlanCost:
    """The cost of completing one video.

    stages: windows to complete; chain: how many of them, at most, wait for each other; diffusion_steps:
    noise levels in which one is completed; max_frames: places of a window; largest_window: the most that a
    stage fills; filled: the share of all places that stages fill, in (0, 1]; selected: observed frames that
    are chosen at run time, over all stages; evaluations: network evaluations of one window each;
    sequential_evaluations: network calls one after the other, if all stages that can share a call do;
    second_checkpoint: "" if the plan has none; second_stages, second_evaluations: what of the two is its.
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
    second_checkpoint: str = ""
    second_stages: int = 0
    second_evaluations: int = 0


def plan_cost(
    plan: Plan,
    max_frames: int,
    diffusion_steps: int,
    sampler: str = "ancestral",
    treatment: Treatment = UNTREATED,
) -> PlanCost:
    """The cost of a plan in windows of `max_frames` frames, each completed in so many diffusion steps by a sampler.

    treatment: what is done in each stage beside that.

    Raises `PlanError` if the plan cannot be executed in such windows, `InputError` for a wrong name of a sampler, or
    one that cannot execute it in so many diffusion steps.
    """
    plan.check(max_frames)
    check_levels(plan.levels, diffusion_steps)
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
        sequential_evaluations=sum(sum(_calls(plan, each, wave)) for wave in order),
        second_checkpoint=plan.second_checkpoint,
        second_stages=sum(stage.second for stage in plan.stages),
        second_evaluations=sum(count for count, stage in zip(each, plan.stages, strict=True) if stage.second),
    )


def _calls(plan: Plan, each: Sequence[int], wave: Sequence[int]) -> list[int]:
    """The network calls of a wave by each of its models. each: evaluations by the stage."""
    models = {plan.stages[number].second for number in wave}
    return [max(each[n] for n in wave if plan.stages[n].second == model) for model in models]


def check_steps(mode: Mode, plan: Plan, sampler: str, diffusion_steps: int | None) -> None:
    """Raise `InputError` if a mode's plan has steps, and the sampler or so many diffusion steps cannot execute these,
    or if what is done in stages needs more diffusion steps.

    diffusion_steps: `None` if they are not known. Reconstruction guidance cannot either: it guides one level.
    """
    if diffusion_steps is not None:
        mode.recipe.treatment.evaluations(sampler, diffusion_steps)
    if not plan.has_steps:
        return
    check_has_step(sampler)
    if diffusion_steps is not None:
        check_levels(plan.levels, diffusion_steps)
    if mode.gradient_method:
        raise InputError(
            "gradientmethod_ guides windows of one noise level, the mode's frames have their own"
        )


def stage_evaluations(
    plan: Plan, diffusion_steps: int, sampler: str = "ancestral", treatment: Treatment = UNTREATED
) -> tuple[int, ...]:
    """Network evaluations of each stage's window. Raises `InputError` for a wrong name of a sampler, or one that cannot
    execute the plan's steps.

    Of stages that select frames at run time they are the most that it can be.
    """
    once = [treatment.evaluations(sampler, diffusion_steps)] * len(plan.stages)
    if plan.has_steps:
        check_has_step(sampler)
        for number, stage in enumerate(plan.stages):
            if stage.is_step:
                once[number] = step_evaluations(stage.starts, stage.ends, stage.levels, diffusion_steps)
    return tuple(each * count for each, count in zip(once, passes(plan, treatment), strict=True))
