"""Plans with noise levels per frame: what `check` proves of steps, text, waves, and every mode that makes some."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from named import makes_steps, plan_of

from viddiff.errors import InputError, PlanError
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.inference.plan import Plan, Stage, waves
from viddiff.inference.strategies import strategy_names

NAMES = [name for name in strategy_names() if makes_steps(name)]


def step(observed, latent, starts, ends, levels=2, n_select=0):
    return Stage(observed, latent, n_select, levels, starts, ends)


ROLLING = (
    step((0,), (1,), (2,), (1,)),
    step((0,), (1, 2), (1, 2), (0, 1)),
    step((0, 1), (2,), (1,), (0,)),
)
MODES = [
    "rolling-4_8_1_20_3",
    "rolling-4_8_2_21_0",
    "rolling-8_6_1_20_3",
    "pyramid-25_8_5_20_3",
    "pyramid-30_8_3_13_0",
    "pyramid-0_8_4_20_4",
    "sequential_8_5_20_3",
    "joint-3_8_4_21_3",
    "joint-2_6_6_20_0",
    "goal-directed-rolling-4_12_2_24_3",
    "goal-directed-joint-2_12_4_24_3",
    "gibbs-1-pyramid-50_8_4_20_3",
]


def test_a_good_plan_passes():
    plan = Plan(3, 1, ROLLING)
    plan.check(3)
    assert plan.levels == 2
    assert [stage.moved for stage in plan.stages] == [(1,), (1, 2), (2,)]


def test_a_held_frame_stays():
    plan = Plan(3, 1, (step((0,), (1, 2), (2, 2), (1, 2)), step((0,), (1, 2), (1, 2), (0, 0))))
    plan.check(3)
    assert plan.stages[0].moved == (1,)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(3, 1, ROLLING[:2]), "frame 2 left noisy, frame 2 at level 1 of 2: every frame must be clean"),
        (Plan(4, 1, ROLLING), "T is 4, but no stage makes frame 3"),
        (
            Plan(3, 1, (ROLLING[0], step((1,), (2,), (2,), (0,)))),
            "stage 1 observes frame 1, noisy by then, at lev",
        ),
        (
            Plan(2, 1, (step((0,), (1,), (2,), (1,)), step((0,), (1,), (1,), (2,)))),
            "level 1 up to 2: levels mus",
        ),
        (Plan(2, 1, (step((0,), (1,), (1,), (0,)),)), "takes frame 1 from level 1, but it is at 2"),
        (Plan(2, 1, (step((0,), (1,), (2,), (2,)),)), "stage 0 takes no frame to a lower level"),
        (Plan(2, 1, (step((0,), (1,), (3,), (0,)),)), "from level 3 to 0, must be levels 2 to 0"),
        (Plan(2, 1, (step((0,), (1,), (2,), (-1,)),)), "from level 2 to -1, must be levels 2 to 0"),
        (
            Plan(2, 1, (step((0,), (1,), (2, 2), (0,)),)),
            "has 2 starts and 1 ends, must have one for each of 1",
        ),
        (Plan(2, 1, (step((0,), (1,), (), (0,)),)), "has 0 starts and 1 ends"),
        (
            Plan(3, 1, (*ROLLING, step((0,), (1,), (2,), (0,)))),
            "frame 1 from level 2, but it is clean by then",
        ),
        (Plan(3, 1, (ROLLING[0], Stage((0,), (1, 2)))), "stage 1 makes frame 1, which a step left noisy"),
        (Plan(3, 1, (*ROLLING[:2], step((0, 1), (2,), (1,), (0,), 3))), "counts 3 levels, must be 2"),
        (
            Plan(2, 1, (step((0,), (1,), (0,), (0,), 0),)),
            "counts 0 levels, must be 0, as the first step, and 1",
        ),
        (Plan(2, 1, (step((), (1,), (2,), (0,), n_select=1),)), "tells levels and selects frames"),
        (Plan(2, 1, (step((0,), (0,), (2,), (0,)),)), "names frame 0 more than once"),
        (
            Plan(4, 1, (step((0,), (1, 2, 3), (2, 2, 2), (0, 0, 0)),)),
            "max_frames is 3, but stage 0 has 4 frames",
        ),
    ],
)
def test_a_bad_plan_is_refused(plan, message):
    with pytest.raises(PlanError, match=message) as caught:
        plan.check(3)
    assert "\n" not in str(caught.value)


def test_stages_may_make_clean_frames_again_and_text_goes_both_ways():
    plan = Plan(3, 1, (*ROLLING, Stage((0, 2), (1,))))
    plan.check(3)
    assert Plan.from_json(plan.to_json()) == plan
    assert '"levels": 2' in plan.to_json()
    assert "levels" not in Plan(2, 1, (Stage((0,), (1,)),)).to_json()


def test_who_holds_a_frame_runs_beside_who_observes_it_not_beside_who_moves_it():
    both = (step((), (1, 2), (2, 2), (0, 2)), step((), (3, 2), (2, 2), (0, 2)), step((), (2,), (2,), (0,)))
    assert waves(Plan(4, 1, both)) == ((0, 1), (2,))


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_has_a_checked_plan_that_text_keeps(mode):
    plan = make_plan(parse_mode(mode))
    assert plan.has_steps
    assert Plan.from_json(plan.to_json()) == plan


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([*NAMES, "rolling-9", "pyramid-75", "joint-3", "goal-directed-joint-2"]),
    st.integers(1, 40),
    st.integers(0, 20),
    st.integers(1, 16),
    st.integers(1, 8),
)
def test_all_parameters_give_a_plan_that_passes_or_one_line(name, length, n_obs, window, step_size):
    """Every frame that is to be made falls from noise to clean, and no iteration waits for a later one."""
    try:
        plan = plan_of(name, length, n_obs, window, step_size)
    except PlanError as error:
        assert "\n" not in str(error)
        return
    plan.check(window)
    wave_of = {number: i for i, wave in enumerate(waves(plan)) for number in wave}
    for later, stage in enumerate(plan.stages):
        for earlier, before in enumerate(plan.stages[:later]):
            if set(before.moved) & {*stage.observed, *stage.latent} or set(stage.moved) & {
                *before.observed,
                *before.latent,
            }:
                assert wave_of[earlier] < wave_of[later]


def test_a_queue_of_step_size_frames_is_autoreg():
    """Its stages, in one step each."""
    plain, rolled = plan_of("autoreg", 19, 3, 8, 4), plan_of("rolling-4", 19, 3, 8, 4)
    assert [(s.observed, s.latent) for s in rolled.stages] == [(s.observed, s.latent) for s in plain.stages]
    assert rolled.levels == 1


def test_the_pyramid_is_the_papers_formula():
    """`level[m, t] = clip(100 + u t - m, 0, 100)`, at the iterations where a step ends."""
    plan = plan_of("pyramid-50", 7, 3, 8, 4)
    rows = []
    for stage in plan.stages:
        rows.append({frame: 0 for frame in range(3, 7)} | dict(zip(stage.latent, stage.ends, strict=True)))
    formula = [[min(max(2 + t - m, 0), 2) for t in range(4)] for m in range(1, 6)]
    assert [list(row.values()) for row in rows] == formula


def test_joint_windows_interlock_and_sequential_makes_one_frame_at_a_time():
    plan = plan_of("joint-2", 12, 0, 8, 4)
    assert [stage.moved for stage in plan.stages] == [
        (0, 1, 2, 3), (8, 9, 10, 11), (4, 5, 6, 7),
        (0, 1), (6, 7, 8, 9), (2, 3, 4, 5), (10, 11),
    ]  # fmt: skip
    assert all(stage.places == 8 for stage in plan.stages)
    assert [stage.moved for stage in plan_of("sequential", 5, 2, 8, 3).stages] == [(2,), (3,), (4,)]


def test_a_long_queue_moves_in_parts_beside_the_cleaner_frames_before_them():
    plan = plan_of("rolling-6", 20, 2, 4, 1)
    middle = [stage for stage in plan.stages if len(stage.moved) == 2 and stage.ends[-1] > 2]
    assert middle
    assert all(stage.places == 4 for stage in middle)
    assert all(min(stage.moved) == max((*stage.observed, *stage.latent)) - 1 for stage in middle)


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("rolling-6_10_4_20_4", "step_size is 4, must divide the queue of 6 frames"),
        ("rolling-1_10_1_20_4", "the queue is 1, must be 2 to 999"),
        ("rolling-06_10_1_20_4", "rolling-06"),
        ("pyramid-101_10_4_20_4", "the delay in percent is 101, must be 0 to 100"),
        ("joint-1_10_4_20_4", "the number of rounds is 1, must be 2 to 1000"),
        ("adaptive-rolling-6_10_1_20_4", "adaptive- selects frames for stages that go from noise to clean"),
        ("adaptive-l2-sequential_10_2_20_4", "adaptive- selects"),
    ],
)
def test_what_has_no_plan_is_one_line(mode, message):
    with pytest.raises(InputError, match=message) as caught:
        make_plan(parse_mode(mode))
    assert "\n" not in str(caught.value)


def test_a_mode_with_steps_has_no_optimal_schedule():
    with pytest.raises(PlanError, match="noise levels per frame has no optimal schedule"):
        make_plan(parse_mode("rolling-4_optimal_8_1_20_3"), {0: (1,)})
