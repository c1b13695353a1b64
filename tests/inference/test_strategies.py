"""Strategies: equal to the recorded schedules of the original where these can be executed, always valid."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from named import goal_frames, makes_steps, plan_of

from viddiff.errors import InputError, PlanError
from viddiff.inference.hierarchy import evenly_spaced
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.strategies import find_strategy, stages_of, strategy_names

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "schedules.json").read_text())
STATIC = [name for name in strategy_names() if not makes_steps(name)]  # the others: `test_levels.py`
STATIC += ["hierarchy-7", "hierarchy-20"]
GOAL_DIRECTED = [f"goal-directed-{name}" for name in (*STATIC, "mixed")]
ADAPTIVE = [f"adaptive-{name}" for name in (*STATIC, *GOAL_DIRECTED)]
NAMES = [*STATIC, *GOAL_DIRECTED, *ADAPTIVE]
NAMES += [f"gibbs-2-{name}" for name in NAMES]
# Where the original's plans of these cannot be executed, they lack only what the test below takes away.
NEARLY_RIGHT = ["autoreg", "independent", "mixed-autoreg-independent", "exp-past"]
NEARLY_RIGHT += [f"hierarchy-{depth}" for depth in range(2, 6)]
# The least window of strategies that observe frames on both sides of those that they make, or before them, but for
# videos that are one window from nothing.
LEAST_WINDOW = {name: 3 for name in STATIC if name.startswith("hierarchy")}
LEAST_WINDOW |= {"google": 5, "like-google": 5, "ho-et-al-for-vis": 2, "baby-cond-ho-et-al-for-vis": 3}


def parameters(row):
    return tuple(row[key] for key in ("video_length", "num_obs", "max_frames", "step_size"))


def name_of(row):
    return "-".join(map(str, (row["mode"], *parameters(row))))


def recorded(row):
    """The original's plan, or `None` where it stops with an error."""
    if "error" in row:
        return None
    stages = tuple(Stage(tuple(observed), tuple(latent)) for observed, latent in row["steps"])
    return Plan(row["video_length"], row["num_obs"], stages, goal_frames(row["mode"], row["video_length"]))


def is_right(row):
    """Whether the original's plan can be executed."""
    plan = recorded(row)
    try:
        if plan:
            plan.check(row["max_frames"])
    except PlanError:
        return False
    return plan is not None


def execute(plan, window, times=1):
    """Go through the plan, independently of `Plan.check`: each frame is given, or made `times` times."""
    given = {*range(plan.given), *plan.goals}
    made = [0] * plan.length
    for stage in plan.stages:
        named = {*stage.observed, *stage.latent}
        assert len(named) == len(stage.observed) + len(stage.latent) <= window - stage.n_select
        assert all(frame in given or made[frame] for frame in stage.observed)
        others = {frame for frame in range(plan.length) if frame in given or made[frame]} - named
        assert 0 <= stage.n_select <= len(others)
        for frame in stage.latent:
            made[frame] += 1
    assert made == [0 if frame in given else times for frame in range(plan.length)]


def test_golden_is_covered():
    assert len(GOLDEN) == 16 * 13
    assert sum(map(is_right, GOLDEN)) == 117


@pytest.mark.parametrize("row", [row for row in GOLDEN if is_right(row)], ids=name_of)
def test_equal_to_the_original(row):
    assert plan_of(row["mode"], *parameters(row)) == recorded(row)


def test_where_five_goals_leave_two_places_there_is_no_hierarchy():
    with pytest.raises(PlanError, match=r"max_frames = 7, 5 places hold goals; .* is 2, must be 3 or more"):
        plan_of("goal-directed-hierarchy-2", 50, 6, 7, 2)


def is_impossible(row):
    return row["mode"] == "goal-directed-hierarchy-2" and row["max_frames"] == 7


@pytest.mark.parametrize(
    "row", [row for row in GOLDEN if not is_right(row) and not is_impossible(row)], ids=name_of
)
def test_valid_where_the_original_fails(row):
    plan = plan_of(row["mode"], *parameters(row))
    plan.check(row["max_frames"])
    execute(plan, row["max_frames"])
    if (theirs := recorded(row)) is None or row["mode"] not in NEARLY_RIGHT:
        return
    for ours, original in zip(plan.stages, theirs.stages, strict=True):
        assert ours.latent == tuple(dict.fromkeys(original.latent))
        if row["mode"] == "exp-past":  # the original's windows are too large
            assert ours.observed == original.observed[: row["max_frames"] - row["step_size"]]
        else:  # the original repeats frames
            assert ours.observed == tuple(dict.fromkeys(original.observed))


@st.composite
def parameter_sets(draw):
    length = draw(st.integers(1, 400))
    window = draw(st.integers(1, 40))
    n_obs = draw(st.integers(0, length - 1) | st.integers(0, min(40, length - 1)))
    return length, n_obs, window, draw(st.integers(1, window + 1))


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(NAMES), parameter_sets())
def test_a_valid_plan_or_an_error_that_names_the_parameter(name, parameters):
    length, n_obs, window, _ = parameters
    try:
        plan = plan_of(name, *parameters)
    except PlanError as error:
        assert re.match(reason_for_no_plan(name, *parameters), str(error))
        return
    assert reason_for_no_plan(name, *parameters) is None
    plan.check(window)
    execute(plan, window, times=3 if name.startswith("gibbs-2-") else 1)
    assert (plan.length, plan.given, plan.goals) == (length, n_obs, goal_frames(name, length))
    assert plan == plan_of(name, *parameters)


def reason_for_no_plan(name, length, n_obs, window, step_size):
    """The start of the message with which `plan_of` refuses parameters; `None` for good ones."""
    if step_size > window:
        return f"step_size is {step_size}, must be 1 to max_frames = {window}$"
    base = name.removeprefix("gibbs-2-").removeprefix("adaptive-")
    goals = len(goal_frames(base, 400))
    if length <= goals:
        return f"T is {length}, must be {goals + 1} or more: the last"
    if n_obs >= length - goals:
        return f"obs_length is {n_obs}, must be 0 to T - {goals + 1} = {length - goals - 1}: the last"
    strategy, places = base.removeprefix("goal-directed-"), window
    if goals and strategy not in ("autoreg", "mixed"):
        places = window - goals
        if places < 1:
            return f"max_frames is {window}, must be 6 or more: the last 5 frames are observed"
    least = LEAST_WINDOW.get(strategy, 1)
    if places < least and not (n_obs == 0 and length - goals <= places):
        inner = f"max_frames is {places}, must be {least} or more: "
        return f"of max_frames = {window}, 5 places hold goals; without: {inner}" if goals else inner
    if name.startswith("gibbs") and window < 3:
        return f"max_frames is {window}, must be 3 or more: gibbs"
    return None


SLOW_PLANS = """
import json, sys, time
from named import plan_of

def seconds(name, n_obs, window, step_size):
    start = time.process_time()
    plan_of(name, 1000, n_obs, window, step_size).check(window)
    return time.process_time() - start

cases = json.loads(sys.argv[1])
print([case for case in cases if not any(seconds(*case) < 0.1 for _ in range(3))])
"""


@pytest.mark.long
def test_a_plan_of_1000_frames_takes_less_than_a_tenth_of_a_second():
    """In a process of its own: here, types are checked at every call."""
    kinds = product((0, 36), ((40, 1), (10, 1)))  # the most stages
    cases = [(name, n_obs, *windows) for n_obs, windows in kinds for name in NAMES]
    cases.append(("gibbs-9-hierarchy-2", 36, 40, 1))  # the most sweeps
    command = [sys.executable, "-c", SLOW_PLANS, json.dumps(cases)]
    path = os.pathsep.join(str(folder) for folder in Path(__file__).parents[1:3])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"[]\n"


@pytest.mark.parametrize(
    ("length", "n_obs", "window", "step_size", "message"),
    [
        (300, 300, 20, 10, "obs_length is 300, must be 0 to T - 1 = 299"),
        (300, -1, 20, 10, "obs_length is -1, must be 0 or more"),
        (0, 0, 20, 10, "T is 0, must be 1 or more"),
        (300, 36, 0, 10, "max_frames is 0, must be 1 or more"),
        (300, 36, 20, 0, "step_size is 0, must be 1 or more"),
        (300, 36, 20, 21, "step_size is 21, must be 1 to max_frames = 20"),
    ],
)
@pytest.mark.parametrize("name", [*STATIC, "goal-directed-autoreg", "gibbs-1-goal-directed-hierarchy-2"])
def test_impossible_parameters(name, length, n_obs, window, step_size, message):
    with pytest.raises(PlanError, match=message):
        plan_of(name, length, n_obs, window, step_size)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("autoregg", r"did you mean autoreg\? known: "),
        ("hierarcy-2", r"did you mean hierarchy-2\? known: "),
        ("longrange", r"did you mean long-range\? known: "),
        ("", "known: "),
    ],
)
def test_an_unknown_name_gets_the_nearest(name, nearest):
    with pytest.raises(
        InputError, match=f"strategy {name!r} is unknown; {nearest}.*autoreg, .*, hierarchy-5, "
    ):
        stages_of(name, 300, 36, 20, 10)


def test_the_shown_plan_of_thirty_frames():
    row = next(row for row in GOLDEN if row["mode"] == "baby-cond-ho-et-al-for-vis")
    shown = tuple(Stage(tuple(observed), tuple(latent)) for observed, latent in row["steps"])
    assert plan_of(row["mode"], 30, 10, 20, 10).stages == shown


def test_where_the_video_ends_within_a_window_google_observes_more_before():
    *_, last = stages_of("google", 302, 36, 20, 10)
    assert last == Stage((299, 298, 297, 296, 295, 294, 293), (300, 301))
    *_, last = stages_of("google", 298, 36, 20, 10)
    assert last == Stage((291, 295, 290, 289), (292, 293, 294, 296, 297))


def test_a_sweep_makes_each_group_again_between_its_neighbours():
    base, twice = plan_of("autoreg", 30, 4, 8, 4), plan_of("gibbs-2-autoreg", 30, 4, 8, 4)
    sweep = twice.stages[len(base.stages) :][: len(base.stages)]
    assert twice.stages == base.stages + 2 * sweep
    assert sweep[0] == Stage((2, 3, 8, 9), (4, 5, 6, 7))
    assert sweep[-1] == Stage((22, 23, 24, 25, 26, 27), (28, 29))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([name for name in NAMES if name.startswith("gibbs")]), parameter_sets())
def test_sweeps_observe_both_sides_where_there_are_frames(name, parameters):
    length, _, window, _ = parameters
    try:
        plan, base = plan_of(name, *parameters), plan_of(name.removeprefix("gibbs-2-"), *parameters)
    except PlanError:
        return
    for stage in plan.stages[len(base.stages) :]:
        assert len(stage.observed) + len(stage.latent) == min(window, length)
        assert stage.latent == tuple(range(stage.latent[0], stage.latent[-1] + 1))
        assert stage.latent[0] == 0 or stage.latent[0] - 1 in stage.observed
        assert stage.latent[-1] == length - 1 or stage.latent[-1] + 1 in stage.observed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gibbs-0-autoreg", "the number of sweeps is 0, must be 1 to 9"),
        ("gibbs-10-autoreg", "the number of sweeps is 10, must be 1 to 9"),
        ("gibbs-02-autoreg", "the number of sweeps is 02, must be 1 to 9"),
        ("gibbs-2-gibbs-2-autoreg", "strategy 'gibbs-2-gibbs-2-autoreg' is unknown"),
        ("gibbs-autoreg", "strategy 'gibbs-autoreg' is unknown"),
        ("goal-directed-gibbs-2-autoreg", "strategy 'goal-directed-gibbs-2-autoreg' is unknown"),
        ("goal-directed-autoregg", "strategy 'autoregg' is unknown; did you mean autoreg"),
        ("goal-directed-goal-directed-autoreg", "strategy 'goal-directed-goal-directed-autoreg'"),
        ("goal-directed-hierarchy-21", "the depth is 21, must be 2 to 20"),
        ("adaptive-gibbs-2-autoreg", "strategy 'adaptive-gibbs-2-autoreg' is unknown"),
        ("adaptive-adaptive-autoreg", "strategy 'adaptive-adaptive-autoreg' is unknown"),
        ("goal-directed-adaptive-autoreg", "strategy 'goal-directed-adaptive-autoreg' is unknown"),
        ("x-goal-directed-autoreg", "strategy 'x-goal-directed-autoreg' is unknown"),
    ],
)
def test_impossible_combinations(name, message):
    with pytest.raises(InputError, match=message):
        plan_of(name, 300, 36, 20, 10)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ADAPTIVE), parameter_sets())
def test_adaptive_stages_make_what_the_base_makes_from_as_many_frames(name, parameters):
    """Hierarchies from more, where there are places left and fewer known frames before than they hold."""
    try:
        plan, base = plan_of(name, *parameters), plan_of(name.removeprefix("adaptive-"), *parameters)
    except PlanError:
        return
    assert plan_of(name.replace("adaptive", "adaptive-l2"), *parameters) == plan
    for stage, static in zip(plan.stages, base.stages, strict=True):
        assert stage.latent == static.latent
        more = len(stage.observed) + stage.n_select - len(static.observed)
        assert more == 0 or (more > 0 and "hierarchy" in name)
        needed = {frame for frame in static.observed if stage.latent[0] < frame < stage.latent[-1]}
        assert needed.union(set(plan.goals).intersection(static.observed)).issubset(stage.observed)
        if static.observed:
            assert stage.observed


@pytest.mark.parametrize("depth", ["0", "1", "02", "21", "999"])
def test_impossible_depth(depth):
    with pytest.raises(InputError, match=f"the depth is {depth}, must be 2 to 20"):
        stages_of(f"hierarchy-{depth}", 300, 36, 20, 10)


def test_alias():
    assert find_strategy("long-range") is find_strategy("mixed-autoreg-independent")


def test_where_no_frame_is_left_to_observe_nothing_is_observed():
    for name in ("autoreg", "independent", "exp-past", "mixed-autoreg-independent"):
        assert {stage.observed for stage in stages_of(name, 60, 20, 8, 8)} == {()}


def test_hierarchies_observe_on_both_sides():
    for name in ("hierarchy-2", "hierarchy-5"):
        for step_size in range(1, 11):
            first, *others = stages_of(name, 100, 5, 10, step_size)
            assert max(first.latent) == 99
            for stage in others:
                assert min(stage.observed) < min(stage.latent)
                assert max(stage.observed) > max(stage.latent)


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(1, 400), st.integers(1, 60), st.sampled_from([0, 0.001]))
def test_even_spacing_is_that_of_numpy(low, span, count, less):
    frames = np.linspace(low, low + span - less, count).astype(int).tolist()
    assert evenly_spaced(low, low + span - less, count) == tuple(dict.fromkeys(frames))
