"""Strategies: equal to the recorded schedules of the original where these can be executed, always valid."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viddiff.errors import InputError, PlanError
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.strategies import STRATEGIES, _evenly_spaced, stages_of

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "schedules.json").read_text())
ROWS = [row for row in GOLDEN if row["mode"] in STRATEGIES]
NAMES = [*STRATEGIES, "hierarchy-7", "hierarchy-20"]
# Where the original's plans of these cannot be executed, they lack only what the test below takes away.
NEARLY_RIGHT = ["autoreg", "independent", "mixed-autoreg-independent", "exp-past"]
NEARLY_RIGHT += [f"hierarchy-{depth}" for depth in range(2, 6)]
# The least window of strategies that observe frames on both sides of those that they make, or before them.
LEAST_WINDOW = {name: 3 for name in NAMES if name.startswith("hierarchy")}
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
    return Plan(row["video_length"], row["num_obs"], stages)


def is_right(row):
    """Whether the original's plan can be executed."""
    plan = recorded(row)
    try:
        if plan:
            plan.check(row["max_frames"])
    except PlanError:
        return False
    return plan is not None


def plan_of(name, length, n_obs, window, step_size):
    return Plan(length, n_obs, tuple(stages_of(name, length, n_obs, window, step_size)))


def execute(plan, window):
    """Complete a video of frame numbers by the plan, independently of `Plan.check`."""
    video = [frame if frame < plan.given else None for frame in range(plan.length)]
    for stage in plan.stages:
        assert len({*stage.observed, *stage.latent}) == len(stage.observed) + len(stage.latent) <= window
        assert all(video[frame] == frame for frame in stage.observed)
        for frame in stage.latent:
            assert video[frame] is None
            video[frame] = frame
    assert video == list(range(plan.length))


def test_golden_is_covered():
    assert len(ROWS) == 13 * 13
    assert sum(map(is_right, ROWS)) == 107


@pytest.mark.parametrize("row", [row for row in ROWS if is_right(row)], ids=name_of)
def test_equal_to_the_original(row):
    assert plan_of(row["mode"], *parameters(row)) == recorded(row)


@pytest.mark.parametrize("row", [row for row in ROWS if not is_right(row)], ids=name_of)
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


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(NAMES), parameter_sets())
def test_a_valid_plan_or_an_error_that_names_the_parameter(name, parameters):
    *_, window, step_size = parameters
    try:
        plan = plan_of(name, *parameters)
    except PlanError as error:
        if step_size > window:
            assert str(error) == f"step_size is {step_size}, must be 1 to max_frames = {window}"
        else:
            assert window < LEAST_WINDOW[name]
            assert str(error).startswith(f"max_frames is {window}, must be {LEAST_WINDOW[name]} or more")
        return
    assert step_size <= window
    plan.check(window)
    execute(plan, window)
    assert plan == plan_of(name, *parameters)


def seconds(name, length, n_obs, window, step_size):
    start = time.process_time()
    plan_of(name, length, n_obs, window, step_size).check(window)
    return time.process_time() - start


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_of_1000_frames_takes_less_than_a_tenth_of_a_second(name):
    for n_obs in (0, 1, 36, 500):
        for window, step_size in ((40, 1), (40, 20), (40, 38), (40, 40), (20, 10), (5, 1)):
            assert any(seconds(name, 1000, n_obs, window, step_size) < 0.1 for _ in range(3))


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
@pytest.mark.parametrize("name", NAMES)
def test_impossible_parameters(name, length, n_obs, window, step_size, message):
    with pytest.raises(PlanError, match=message):
        stages_of(name, length, n_obs, window, step_size)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("autoregg", "autoreg"), ("hierarcy-2", "hierarchy-2"), ("longrange", "long-range"), ("", "")],
)
def test_an_unknown_name_gets_the_nearest(name, nearest):
    with pytest.raises(InputError, match=f"unknown inference mode {name!r}; did you mean '{nearest}"):
        stages_of(name, 300, 36, 20, 10)


def test_the_shown_plan_of_thirty_frames():
    row = next(row for row in ROWS if row["mode"] == "baby-cond-ho-et-al-for-vis")
    shown = tuple(Stage(tuple(observed), tuple(latent)) for observed, latent in row["steps"])
    assert plan_of(row["mode"], 30, 10, 20, 10).stages == shown


def test_the_shown_plan_of_sixty_four_frames_from_nothing():
    first, *others, last = stages_of("ho-et-al-for-vis", 64, 0, 16, 8)
    assert first == Stage((), tuple(range(0, 64, 4)))
    assert others[0] == Stage((0, 4, 8), (1, 2, 3, 5, 6, 7)) and len(others) == 7
    assert last == Stage((56, 60, 55), (57, 58, 59, 61, 62, 63))


def test_where_the_video_ends_within_a_window_google_observes_more_before():
    *_, last = stages_of("google", 302, 36, 20, 10)
    assert last == Stage((299, 298, 297, 296, 295, 294, 293), (300, 301))
    *_, last = stages_of("google", 298, 36, 20, 10)
    assert last == Stage((291, 295, 290, 289), (292, 293, 294, 296, 297))


@pytest.mark.parametrize("depth", ["0", "1", "02", "21", "999"])
def test_impossible_depth(depth):
    with pytest.raises(InputError, match=f"the depth is {depth}, must be 2 to 20"):
        stages_of(f"hierarchy-{depth}", 300, 36, 20, 10)


def test_alias():
    assert STRATEGIES["long-range"] is STRATEGIES["mixed-autoreg-independent"]


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
    assert _evenly_spaced(low, low + span - less, count) == tuple(dict.fromkeys(frames))
