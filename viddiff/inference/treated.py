"""What is done in the stages of a plan beside sampling them: where it acts, and that it acts at all."""

from __future__ import annotations

from functools import partial

from viddiff.diffusion.treatment import Subset, Treatment
from viddiff.errors import InputError
from viddiff.inference.plan import Plan, Stage


def passes(plan: Plan, treatment: Treatment) -> tuple[int, ...]:
    """Network evaluations of each stage's window for each of the sampler's.

    Of stages that select frames at run time they are the most that it can be.
    """
    true_frames = frozenset(plan.true_frames)
    return tuple(treatment.passes(partial(_observes, stage, true_frames)) for stage in plan.stages)


def check_treatment(plan: Plan, treatment: Treatment, gradient_method: bool) -> None:
    """Raise `InputError` for a treatment that would do nothing in any stage of a plan.

    gradient_method: whether observed frames act by reconstruction guidance, so that the network does not see them.
    """
    if treatment.history and gradient_method:
        raise InputError(
            "gradientmethod shows the network no observed frames, so there is no history to guide by: leave out one "
            "of gradientmethod_ and history-…"
        )
    if treatment.resampling and plan.has_steps:
        raise InputError(
            "resample-… goes up to one noise level, the mode's frames have their own: leave resample-… out"
        )
    true_frames = frozenset(plan.true_frames)

    def observed(subset: Subset) -> bool:
        return any(_observes(stage, true_frames, subset) for stage in plan.stages)

    for subset, _ in treatment.history:
        if not observed(subset):
            part, what = ("-given…", "given frames") if subset == "given" else ("history-…", "frames")
            raise InputError(
                f"no stage observes {what}, so there is no history to guide by: leave {part} out"
            )
    if treatment.observed_noise and not observed("all"):
        raise InputError("no stage observes frames, so there is nothing to put noise on: leave noisy-… out")


def _observes(stage: Stage, true_frames: frozenset[int], subset: Subset) -> bool:
    """Whether a stage observes, or may select, frames of a subset."""
    if subset == "given":
        return stage.n_select > 0 or not true_frames.isdisjoint(stage.observed)
    return stage.n_select > 0 or bool(stage.observed)
