"""Plans made from plans, for every strategy: goals, frames chosen at run time, sweeps that make frames again.

`plan_of` is the way from a recipe and the parameters of a mode to a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from viddiff.errors import PlanError
from viddiff.inference import hierarchy, level_modes  # noqa: F401  register families
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.recipe import Recipe
from viddiff.inference.second import with_second
from viddiff.inference.strategies import (
    Stages,
    Strategy,
    check_parameters,
    find_strategy,
    mark,
    nearest,
    newest,
    steps,
)


def plan_of(recipe: Recipe, length: int, n_obs: int, window: int, step_size: int) -> Plan:
    """The plan by which a recipe completes a video of `length` frames, the first `n_obs` given.

    window: the most frames of one stage (`max_frames` of a mode); step_size: how many of them it makes.
    Raises `InputError` for an unknown strategy, `PlanError` for parameters with which the recipe has no plan.
    """
    check_parameters(window, step_size, length, n_obs)
    own_goals = recipe.goal_directed and recipe.strategy in GOAL_DIRECTED
    rule = Strategy(GOAL_DIRECTED[recipe.strategy]) if own_goals else find_strategy(recipe.strategy)
    selecting = rule.adaptive if recipe.distance is not None else None
    stages = selecting or rule.stages
    if recipe.goal_directed:
        plan = goal_directed(recipe, stages, length, n_obs, window, step_size)
    else:
        plan = Plan(length, n_obs, tuple(stages(length, n_obs, window, step_size)))
    if recipe.distance is not None and selecting is None:
        _check_whole_stages(recipe, plan)
        plan = adapted(plan, rule.neighbours)
    plan = refined(plan, recipe.sweeps, window, step_size) if recipe.sweeps else plan
    return with_second(plan, recipe.second) if recipe.second else plan


def goal_frames(recipe: Recipe, length: int) -> tuple[int, ...]:
    """The frames of a video of `length` that a recipe is given as goals; none if it has no goals."""
    if not recipe.goal_directed:
        return ()
    return tuple(range(length - (1 if recipe.strategy == "mixed" else 5), length))


def goal_directed(
    recipe: Recipe, stages: Stages, length: int, n_obs: int, window: int, step_size: int
) -> Plan:
    """The plan that completes a video towards its last frames. stages: of the recipe's strategy."""
    goals = goal_frames(recipe, length)
    if length <= len(goals):
        raise PlanError(f"T is {length}, must be {len(goals) + 1} or more: {_last(len(goals))} given")
    if n_obs >= length - len(goals):
        raise PlanError(
            f"obs_length is {n_obs}, must be 0 to T - {len(goals) + 1} = {length - len(goals) - 1}: "
            f"{_last(len(goals))} given, and a frame must be left to make"
        )
    rule = stages if recipe.strategy in GOAL_DIRECTED else partial(towards_goals, stages)
    return Plan(length, n_obs, tuple(rule(goals, n_obs, window, step_size)), goals)


def adapted(plan: Plan, neighbours: int) -> Plan:
    """The plan with as many observed frames in each stage, but most of them selected at run time.

    Not left to selection are observed goals, the observed frames between the latent ones, and the nearest ones on
    either side: with 1 neighbour, of the observed frames one before and one after; with more, of all known frames as
    many before and then, if a place is left, one after.
    """
    known = bytearray(plan.length)
    known[: plan.given] = b"\1" * plan.given
    stages = []
    for stage in plan.stages:
        goals = tuple(frame for frame in stage.observed if frame in plan.goals)
        others = bytearray(plan.length)
        mark(others, set(stage.observed).difference(goals))
        kept = nearest(known if neighbours > 1 else others, stage.latent, neighbours, others.count(1))
        observed = kept + goals
        stages.append(replace(stage, observed=observed, n_select=len(stage.observed) - len(observed)))
        mark(known, stage.latent)
    return replace(plan, stages=tuple(stages))


def refined(plan: Plan, sweeps: int, window: int, step_size: int) -> Plan:
    """The plan, then sweeps over the video, in which each group of neighbouring frames is made again.

    Such a stage observes the nearest frames on both sides, and makes fewer than `step_size` frames where the
    window could not hold one on each side. They are of the plan's last phase. Raises `PlanError` if `max_frames`
    is below 3.
    """
    if window < 3:
        raise PlanError(f"max_frames is {window}, must be 3 or more: gibbs observes frames on both sides")
    phase = max((stage.phase for stage in plan.stages), default=1)
    sweep = tuple(replace(stage, phase=phase) for stage in _sweep(plan, window, min(step_size, window - 2)))
    return replace(plan, stages=plan.stages + sweep * sweeps)


def _sweep(plan: Plan, window: int, size: int) -> Iterator[Stage]:
    borders = (plan.given, *plan.goals, plan.length)
    starts = (plan.given, *(goal + 1 for goal in plan.goals))
    for first, end in zip(starts, borders[1:], strict=True):
        for latent in steps(first, end, size):
            before, after = latent[0], plan.length - 1 - latent[-1]
            places = window - len(latent)
            n_after = min(after, max(places // 2, places - before))
            later = range(latent[-1] + 1, latent[-1] + 1 + n_after)
            yield Stage((*newest(places - n_after, before), *later), latent)


def towards_goals(
    stages: Stages, goals: tuple[int, ...], n_obs: int, window: int, step_size: int
) -> Iterator[Stage]:
    """The stages of a strategy up to the goals, in windows in which these have their places in every stage.

    A stage makes no more frames than the goals leave places for, be `step_size` larger.
    """
    places = window - len(goals)
    if places < 1:
        raise PlanError(
            f"max_frames is {window}, must be {len(goals) + 1} or more: {_last(len(goals))} observed"
        )
    try:
        for stage in stages(goals[0], n_obs, places, min(step_size, places)):
            yield replace(stage, observed=stage.observed + goals)
    except PlanError as error:
        raise PlanError(
            f"of max_frames = {window}, {len(goals)} places hold goals; without: {error}"
        ) from None


def goal_directed_autoregressive(
    goals: tuple[int, ...], n_obs: int, window: int, step_size: int
) -> Iterator[Stage]:
    """Each stage observes the newest `window - step_size` frames before it and goals, goals first of all."""
    if n_obs == 0:
        n_obs = min(window, goals[0])
        yield Stage((), tuple(range(n_obs)))
    places = window - step_size
    for latent in steps(n_obs, goals[0], step_size):
        recent = newest(max(0, places - len(goals)), latent[0])
        yield Stage(recent + goals[max(0, len(goals) - places) :], latent)


def goal_directed_mixed(goals: tuple[int, ...], n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Of the `window - step_size` observed frames half are the goal and the newest, the others the newest given."""
    (goal,) = goals
    if n_obs == 0:
        n_obs = min(window, goal)
        yield Stage((), tuple(range(n_obs)))
    places = window - step_size
    for latent in steps(n_obs, goal, step_size):
        recent = newest(max(0, places // 2 - 1), latent[0])
        given = newest(places - 1 - len(recent), min(n_obs, latent[0] - len(recent)))
        yield Stage((*given, *recent, goal) if places else (), latent)


# Those of the original code: like `towards_goals`, but for where they observe the goals.
GOAL_DIRECTED: dict[str, Callable[[tuple[int, ...], int, int, int], Iterator[Stage]]] = {
    "autoreg": goal_directed_autoregressive,
    "mixed": goal_directed_mixed,
}


def _check_whole_stages(recipe: Recipe, plan: Plan) -> None:
    if plan.has_steps:
        raise PlanError(
            f"adaptive- selects frames for stages that go from noise to clean, {recipe.strategy} takes frames from "
            "level to level"
        )


def _last(count: int) -> str:
    return "the last frame is" if count == 1 else f"the last {count} frames are"
