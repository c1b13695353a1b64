"""Names of modes: both directions, and what a wrong one is told."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viddiff.errors import InputError, PlanError
from viddiff.inference.modes import MODE_PATTERN, Mode, make_plan, parse_mode, true_frames

DATASETS = [
    "bouncy_balls",
    "minerl",
    "mazes_cwvae",
    "carla_no_traffic",
    "carla_with_traffic",
    "carla_town02_no_traffic",
    "carla_no_traffic_variable_length",
    "video_folder",
    "optimal",
    "autoreg_20_10_300_36",
    "gradientmethod_mine",
    "My.set-2__b_",
]


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("autoreg_20_10_300_36", Mode("autoreg", 20, 10, 300, 36)),
        (
            "hierarchy-2_optimal-linspace-t_20_10_300_36",
            Mode("hierarchy-2", 20, 10, 300, 36, optimal="linspace-t"),
        ),
        ("hierarchy-2_optimal_20_10_300_36", Mode("hierarchy-2", 20, 10, 300, 36, optimal="")),
        ("trainset_exp-past_20_1_1000_36", Mode("exp-past", 20, 1, 1000, 36, trainset=True)),
        ("autoreg_20_10_None_36", Mode("autoreg", 20, 10, None, 36)),
        ("autoreg_None_None_None_None", Mode("autoreg", None, None, None, None)),
        (
            "carla_town02_no_traffic_gradientmethod_trainset_goal-directed-hierarchy-2_optimal_20_10_300_0",
            Mode(
                "goal-directed-hierarchy-2", 20, 10, 300, 0, "carla_town02_no_traffic", True, True, optimal=""
            ),
        ),
    ],
)
def test_examples(text, mode):
    assert parse_mode(text) == mode
    assert str(mode) == text


WORDS = st.lists(st.text("abz09", min_size=1, max_size=4), min_size=1, max_size=3).map("-".join)
STRATEGY_NAMES = (
    st.sampled_from(
        ["autoreg", "hierarchy-12", "trainset", "gradientmethod", "history-1.5-newest0.25-autoreg"]
    )
    | WORDS
)
DATASET_NAMES = (
    st.none()
    | st.sampled_from(DATASETS)
    | st.text("aZ0.,=+-_", min_size=1, max_size=9).filter(re.compile(MODE_PATTERN).fullmatch)
)


@st.composite
def modes(draw):
    max_frames, T = draw(st.none() | st.integers(1, 999_999)), draw(st.none() | st.integers(1, 999_999))
    return Mode(
        draw(STRATEGY_NAMES),
        max_frames,
        draw(st.none() | st.integers(1, max_frames or 999_999)),
        T,
        draw(st.none() | st.integers(0, (T or 999_999) - 1)),
        draw(DATASET_NAMES),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.none() | st.just("") | WORDS),
    )


@settings(deadline=None)
@given(modes())
def test_parse_reads_what_format_writes(mode):
    text = str(mode)
    assert parse_mode(text) == mode
    assert re.fullmatch(MODE_PATTERN, text)


PARTS = st.sampled_from(
    [
        "autoreg",
        "optimal",
        "optimal-",
        "optimal-x",
        "trainset",
        "gradientmethod",
        "",
        "a",
        "B.c",
        "None",
        "-1",
    ]
) | st.sampled_from(["0", "1", "20", "020", "/", "..", "\n", "é"])


@settings(deadline=None)
@given(st.text() | st.lists(PARTS, max_size=9).map("_".join))
def test_any_text_is_refused_or_comes_back(text):
    try:
        mode = parse_mode(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert str(mode) == text


def test_pattern_is_fit_for_a_wildcard():
    assert re.compile(MODE_PATTERN).groups == 0
    for text in ("a/autoreg_20_10_300_36", ".._20_10_300_36", "", "-rf", ".tmp"):
        assert not re.fullmatch(MODE_PATTERN, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("autoreg", "is not of the form .*<strategy>"),
        ("autoreg_20_10_300", "is not of the form"),
        ("autoreg_20_10_300_x", "obs_length is 'x', must be a whole number"),
        ("autoreg_020_10_300_36", "max_frames is '020', must be a whole number"),
        ("autoreg_20_10_1000000_36", "T is '1000000', must be a whole number below a million"),
        ("optimal_20_10_300_36", "is not of the form .*<strategy>"),
        ("Autoreg_20_10_300_36", "strategy is 'Autoreg', must be lower-case"),
        ("history-.5-autoreg_20_10_300_36", "strategy is 'history-.5-autoreg', must be lower-case"),
        ("autoreg_optimal-_20_10_300_36", "strategy is 'optimal-'"),
        ("trainset_gradientmethod_autoreg_20_10_300_36", "dataset is 'trainset', must"),
        ("autoreg_20_21_300_36", "step_size is 21, must be 1 to max_frames = 20"),
        ("autoreg_20_0_300_36", "step_size is 0, must be 1 or more"),
        ("autoreg_20_-3_300_36", "step_size is -3, must be 1 or more"),
        ("autoreg_0_0_300_36", "max_frames is 0, must be 1 or more"),
        ("autoreg_20_10_0_0", "T is 0, must be 1 or more"),
        ("autoreg_20_10_300_300", "obs_length is 300, must be 0 to T - 1 = 299"),
        ("autoreg_20_10_300_-1", "obs_length is -1, must be 0 or more"),
    ],
)
def test_a_wrong_name_is_told_why(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_mode(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("dataset", ["", "a/b", "..", "x_trainset", "gradientmethod", "a b"])
def test_a_dataset_that_would_not_come_back_is_refused(dataset):
    with pytest.raises(InputError, match="dataset is"):
        Mode("autoreg", 20, 10, 300, 36, dataset)


def test_a_plan_is_made_and_checked():
    plan = make_plan(parse_mode("minerl_gradientmethod_trainset_autoreg_20_10_60_36"))
    assert (plan.length, plan.given, len(plan.stages)) == (60, 36, 3)
    assert plan == make_plan(parse_mode("autoreg_20_10_60_36"))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("hierarchy-2_2_1_60_36", PlanError, "max_frames is 2, must be 3 or more"),
        ("goal-directed-autoreg_20_10_60_55", PlanError, "obs_length is 55, must be 0 to T - 6 = 54"),
        ("goal-directed-mixed_2_1_1_0", PlanError, "T is 1, must be 2 or more: the last frame is given"),
        ("goal-directed-exp-past_5_1_60_36", PlanError, "max_frames is 5, must be 6 or more: the last 5"),
        ("gibbs-1-autoreg_2_1_60_36", PlanError, "max_frames is 2, must be 3 or more"),
        ("hierarcy-2_20_10_60_36", InputError, "did you mean hierarchy-2"),
        ("autoreg_20_10_None_36", InputError, "T is not given"),
        ("autoreg_optimal_20_10_60_36", InputError, "needs an optimal schedule"),
    ],
)
def test_no_plan(text, error, message):
    with pytest.raises(error, match=message) as caught:
        make_plan(parse_mode(text))
    assert repr(text) in str(caught.value)


def test_a_number_can_be_filled_in():
    mode = replace(parse_mode("autoreg_20_10_None_36"), T=60)
    assert make_plan(mode).length == 60


def test_true_frames_are_the_observed_ones_and_the_goals():
    assert true_frames(parse_mode("autoreg_4_2_12_3"), 12) == (0, 1, 2)
    assert true_frames(parse_mode("goal-directed-autoreg_9_2_12_3"), 12) == (0, 1, 2, 7, 8, 9, 10, 11)
    for name in ("goal-directed-mixed_9_2_20_3", "gibbs-2-goal-directed-google_16_2_20_0"):
        mode = parse_mode(name)
        assert true_frames(mode, 20) == make_plan(mode).true_frames
