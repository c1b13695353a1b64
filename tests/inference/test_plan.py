"""Every promise of `Plan.check`, and plans as text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viddiff.errors import InputError, PlanError
from viddiff.inference.plan import Plan, Stage

GOOD = Plan(length=6, given=2, stages=(Stage((0, 1), (5, 2)), Stage((5, 2), (3, 4))))


def test_a_good_plan_passes():
    GOOD.check(max_frames=4)


@pytest.mark.parametrize(
    ("plan", "max_frames", "message"),
    [
        (Plan(6, 6, ()), 4, "obs_length is 6, must be 0 to T - 1 = 5"),
        (Plan(6, -1, ()), 4, "obs_length is -1"),
        (Plan(0, 0, ()), 4, "obs_length is 0"),
        (GOOD, 3, "max_frames is 3, but stage 0 has 4 frames"),
        (Plan(6, 2, GOOD.stages[:1]), 4, r"T is 6, but no stage makes 2 frames \(3, 4\)"),
        (Plan(3, 2, (Stage((0,), (2,), n_select=2),)), 4, "selects 2 frames, but only 1 others are known"),
        (Plan(3, 2, (Stage((0, 1), (2,), n_select=1),)), 3, "max_frames is 3, but stage 0 has 4"),
        (Plan(3, 2, (Stage((0, 1), (2,), n_select=-1),)), 3, "selects -1 frames, must be 0 or more"),
        (
            Plan(6, 2, (Stage((0, 3), (2, 4)),)),
            4,
            "observes frame 3, neither given .obs_length is 2. nor made",
        ),
        (Plan(6, 2, (Stage((-1, 0), (2, 4)),)), 4, "observes frame -1"),
        (Plan(6, 2, (Stage((0, 0), (2,)),)), 4, "stage 0 names frame 0 more than once"),
        (Plan(6, 2, (Stage((0,), (2, 2)),)), 4, "stage 0 names frame 2 more than once"),
        (Plan(6, 2, (*GOOD.stages, Stage((3,), (3,)))), 4, "stage 2 names frame 3 more than once"),
        (Plan(6, 2, (Stage((0,), (6,)),)), 4, "makes frame 6, must be frames obs_length = 2 to T - 1 = 5"),
        (Plan(6, 2, (Stage((0,), (1,)),)), 4, "makes frame 1, must be frames obs_length = 2"),
        (Plan(6, 2, (Stage((0,), ()),)), 4, "makes no frame, must make 1 or more"),
        (Plan(6, 2, (Stage((5, 0), (2, 3, 4)),)), 5, "observes frame 5"),
        (Plan(6, 2, (Stage((0,), (2, 3, 4, 5)),), (5,)), 5, "stage 0 makes frame 5, given as a goal"),
        (
            Plan(6, 2, (), (1,)),
            4,
            "goals are frame 1, must be different frames in rising order, obs_length = 2",
        ),
        (Plan(6, 2, (), (5, 4)), 4, r"goals are 2 frames \(5, 4\), must be different frames in rising order"),
        (Plan(6, 2, (), (5, 5)), 4, "goals are 2 frames"),
        (Plan(6, 2, (), (6,)), 4, "goals are frame 6"),
        (Plan(6, 2, (Stage((5,), (2,)),), (5,)), 4, r"no stage makes 2 frames \(3, 4\)"),
    ],
)
def test_a_bad_plan_is_refused(plan, max_frames, message):
    with pytest.raises(PlanError, match=message) as caught:
        plan.check(max_frames)
    assert "\n" not in str(caught.value)


def test_goals_are_known_from_the_start():
    plan = Plan(6, 2, (Stage((5, 3), (2, 4)),), (3, 5))
    plan.check(max_frames=4)
    assert plan.true_frames == (0, 1, 3, 5)


def test_a_plan_without_goals_does_not_speak_of_them():
    assert "goals" not in GOOD.to_json()


def test_a_frame_can_be_made_again():
    Plan(6, 2, (*GOOD.stages, Stage((0, 5), (2, 3)))).check(max_frames=4)


def test_selected_frames_count():
    plan = Plan(6, 2, (Stage((), (2, 3), n_select=2), Stage((3,), (4, 5), n_select=1)))
    plan.check(max_frames=4)
    assert Plan.from_json(plan.to_json()) == plan


FRAMES = st.lists(st.integers(0, 500), max_size=6).map(tuple)


@settings(deadline=None)
@given(
    st.integers(1, 500),
    st.integers(0, 500),
    st.lists(st.tuples(FRAMES, FRAMES, st.integers(0, 3)), max_size=5),
    FRAMES,
)
def test_json_goes_both_ways(length, n_obs, stages, goals):
    plan = Plan(length, n_obs, tuple(Stage(*stage) for stage in stages), goals)
    text = plan.to_json()
    assert Plan.from_json(text) == plan
    assert Plan.from_json(text).to_json() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"length": 3, "given": 1}',
        '{"length": 3, "given": 1, "stages": [7]}',
        '{"length": 3, "given": 1, "stages": [{"observed": [0], "latent": [1.5]}]}',
        '{"length": "3", "given": 1, "stages": []}',
        '{"length": true, "given": 0, "stages": []}',
        '{"length": 3, "given": 0, "stages": [], "goals": 2}',
        '{"length": 3, "given": 0, "stages": [], "goals": ["2"]}',
    ],
)
def test_other_text_is_refused(text, tmp_path):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(InputError, match=r"plan\.json: not a plan with length, given and stages: "):
        Plan.read(tmp_path / "plan.json")
