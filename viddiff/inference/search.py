"""Optimal schedules: for each stage the observed frames by which its latent frames are predicted best.

A greedy search: as long as there is a place in the window, the known frame is added that lowers the error of
the prediction most (Harvey et al. 2022, arXiv 2205.11495). The search knows frames and errors, not how these
are measured: for that it is handed a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from viddiff.errors import InputError, PlanError
from viddiff.inference.plan import Plan, Stage

# What follows `optimal-` in a mode, and whether the nearest known frames are observed from the start.
METHODS: dict[str, bool] = {"": False, "linspace-t": False, "linspace-t-force-nearby": True}

# (count, sets): the errors of windows that observe these sets of frames, of which `count` were chosen before.
Errors = Callable[[int, Sequence[tuple[int, ...]]], Sequence[float]]


class Choice(NamedTuple):
    """An observed frame, and the error with it; None where there was nothing to choose."""

    frame: int
    error: float | None


@dataclass(frozen=True)
class StageSearch:
    """What is searched in one stage.

    stage: its number in the plan; latent: the frames that it makes; candidates: all known frames that it can
    observe, in rising order; start: those that are observed in any case; count: how many are to be observed.
    """

    stage: int
    latent: tuple[int, ...]
    candidates: tuple[int, ...]
    start: tuple[int, ...]
    count: int


def stage_searches(plan: Plan, max_frames: int, method: str) -> list[StageSearch]:
    """The searches that make the optimal schedule of a plan: one per stage that observes a frame.

    A stage gets as many observed frames as fit beside its latent ones into `max_frames`. All known frames are
    candidates: given ones, goals, those of earlier stages. They do not depend on what is found for any stage.

    Raises `InputError` for an unknown method, `PlanError` for a plan that selects frames while it is executed
    or that observes none.
    """
    if method not in METHODS:
        names = ", ".join(f"optimal-{name}" if name else "optimal" for name in METHODS)
        raise InputError(f"optimal-{method} cannot be searched; known: {names}")
    _check_static(plan)
    searches = []
    known = set(plan.true_frames)
    for number, stage in enumerate(plan.stages):
        if stage.observed:
            candidates = tuple(sorted(known.difference(stage.latent)))
            count = min(len(candidates), max_frames - len(stage.latent))
            start = nearest(candidates, stage.latent)[:count] if METHODS[method] else ()
            searches.append(StageSearch(number, stage.latent, candidates, start, count))
        known.update(stage.latent)
    if not searches:
        raise PlanError("no stage observes a frame, so there is no optimal schedule")
    return searches


def nearest(known: Sequence[int], latent: Sequence[int]) -> tuple[int, ...]:
    """The nearest known frame before all latent ones and the nearest after them, where there are such."""
    before = [frame for frame in known if frame < min(latent)]
    after = [frame for frame in known if frame > max(latent)]
    return (*before[-1:], *after[:1])


def choose(search: StageSearch, errors: Errors, chosen: Sequence[Choice] = ()) -> Iterator[Choice]:
    """Yield the observed frames of a stage after the ones chosen so far, until there are `search.count`.

    The first are `search.start`. Of frames with equal errors the first in the video is taken. Where all
    candidates fit, nothing is measured: they follow in their order.
    """
    observed = [choice.frame for choice in chosen]
    while len(observed) < search.count:
        left = [frame for frame in search.candidates if frame not in observed]
        if len(observed) < len(search.start):
            choice = Choice(search.start[len(observed)], None)
        elif len(search.candidates) == search.count:
            choice = Choice(left[0], None)
        else:
            measured = errors(len(observed), [(*observed, frame) for frame in left])
            error, frame = min(zip(measured, left, strict=True))
            choice = Choice(frame, error)
        observed.append(choice.frame)
        yield choice


def with_observed(plan: Plan, schedule: Mapping[int, Sequence[int]]) -> Plan:
    """The plan with the observed frames of a schedule, by the number of the stage.

    Raises `PlanError` if the schedule lacks a stage that observes frames, or has a stage that the plan lacks,
    and for a plan that selects frames while it is executed.
    """
    _check_static(plan)
    if strange := sorted(schedule.keys() - set(range(len(plan.stages)))):
        raise PlanError(
            f"the optimal schedule has a stage {strange[0]}, the plan has stages 0 to {len(plan.stages) - 1}"
        )

    def observe(number: int, stage: Stage) -> Stage:
        observed = tuple(schedule.get(number, ()))
        if stage.observed and not observed:
            raise PlanError(f"the optimal schedule has no observed frames for stage {number}")
        return replace(stage, observed=observed)

    return replace(plan, stages=tuple(observe(*pair) for pair in enumerate(plan.stages)))


def _check_static(plan: Plan) -> None:
    if any(stage.n_select for stage in plan.stages):
        raise PlanError("an adaptive mode selects observed frames for each video: it has no optimal schedule")
    if plan.second_checkpoint:
        raise PlanError("an optimal schedule is searched with one checkpoint, the mode has a second one")
    if plan.has_steps:
        raise PlanError(
            "a mode with noise levels per frame has no optimal schedule: its windows hold noisy frames"
        )
