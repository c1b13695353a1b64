"""The greedy search on errors that are known in closed form, and what it hands to a plan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from named import plan_of

from viddiff.errors import InputError, PlanError
from viddiff.inference.modes import base_plan, make_plan, parse_mode
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.search import (
    METHODS,
    Choice,
    StageSearch,
    choose,
    nearest,
    stage_searches,
    with_observed,
)

SEARCH = StageSearch(stage=3, latent=(20, 21), candidates=tuple(range(20)), start=(), count=6)


def distance_to_latent(observed, latent=(20, 21)):
    """The nearer the better, to different degrees; each more frame helps."""
    return sum(min((frame - made) ** 2 for frame in observed) for made in latent) - 0.1 * sum(observed)


def gaussian_process(observed, latent=(20, 21), scale=3.0):
    """The exact error of predicting two values of a stationary process from others: tr(A - B C^-1 B')."""
    points = np.array([*observed, *latent], float)
    cov = np.exp(-(((points[:, None] - points) / scale) ** 2) / 2) + 1e-3 * np.eye(len(points))
    n = len(observed)
    return float(np.trace(cov[n:, n:] - cov[n:, :n] @ np.linalg.solve(cov[:n, :n], cov[:n, n:])))


def measure(error):
    return lambda count, sets: [error(observed) for observed in sets]


def frames(choices):
    return [choice.frame for choice in choices]


def test_of_independent_gains_the_largest_are_taken_in_their_order():
    gain = {frame: (7 * frame) % 20 for frame in range(20)}
    found = list(choose(SEARCH, measure(lambda observed: 100 - sum(gain[frame] for frame in observed))))
    best = sorted(gain, key=gain.get, reverse=True)[:6]
    assert frames(found) == best
    assert [choice.error for choice in found] == [100 - sum(gain[f] for f in best[: i + 1]) for i in range(6)]


@pytest.mark.parametrize("error", [distance_to_latent, gaussian_process])
def test_each_choice_is_the_best_addition_to_those_before(error):
    found = list(choose(SEARCH, measure(error)))
    assert len(set(frames(found))) == SEARCH.count
    for number, choice in enumerate(found):
        before = frames(found[:number])
        possible = {f: error((*before, f)) for f in SEARCH.candidates if f not in before}
        assert choice.error == min(possible.values()) == possible[choice.frame]
    assert found[0].frame == 19  # the nearest tells most


def test_what_was_just_seen_is_not_what_helps_next():
    # The neighbours of a frame tell the same; a greedy search keeps its distance, the nearest frames do not.
    found = frames(choose(SEARCH, measure(gaussian_process)))
    assert gaussian_process(found) < gaussian_process((19, 18, 17, 16, 15, 14))


def test_of_equal_errors_the_first_frame_is_taken():
    assert frames(choose(SEARCH, measure(lambda observed: 1.0))) == [0, 1, 2, 3, 4, 5]


def test_a_search_goes_on_where_it_stopped():
    asked = []

    def errors(count, sets):
        asked.append(count)
        return [gaussian_process(observed) + count for observed in sets]

    whole = list(choose(SEARCH, errors))
    assert asked == [0, 1, 2, 3, 4, 5]
    for done in range(len(whole) + 1):
        asked.clear()
        assert whole[:done] + list(choose(SEARCH, errors, whole[:done])) == whole
        assert asked == list(range(done, SEARCH.count))


def test_forced_frames_come_first_and_are_not_measured():
    search = StageSearch(0, (5, 7, 9), (0, 1, 4, 6, 8, 10, 12), start=(4, 10), count=4)
    asked = []

    def errors(count, sets):
        asked.append((count, sets))
        return [float(-observed[-1]) for observed in sets]

    found = list(choose(search, errors))
    assert found == [Choice(4, None), Choice(10, None), Choice(12, -12.0), Choice(8, -8.0)]
    assert asked[0] == (2, [(4, 10, frame) for frame in (0, 1, 6, 8, 12)])
    assert [count for count, _ in asked] == [2, 3]


def test_where_all_frames_fit_nothing_is_measured():
    search = StageSearch(0, (5,), (0, 2, 4), start=(4,), count=3)
    assert list(choose(search, lambda count, observed: pytest.fail("measured"))) == [
        Choice(4, None),
        Choice(0, None),
        Choice(2, None),
    ]


@pytest.mark.parametrize(
    ("known", "latent", "expected"),
    [
        ((0, 1, 5, 9, 12), (6, 7, 8), (5, 9)),
        ((0, 1, 5, 9, 12), (3, 10), (1, 12)),  # not those between
        ((0, 1), (2, 3), (1,)),
        ((8, 9), (2, 3), (8,)),
        ((5,), (2, 7), ()),
    ],
)
def test_nearest(known, latent, expected):
    assert nearest(known, latent) == expected


STRATEGIES = ["autoreg", "independent", "exp-past", "mixed-autoreg-independent", "hierarchy-3", "google"]
PREFIXES = ["", "goal-directed-", "gibbs-1-"]


@settings(max_examples=150, deadline=None)
@given(
    name=st.builds("{}{}".format, st.sampled_from(PREFIXES), st.sampled_from(STRATEGIES)),
    method=st.sampled_from(sorted(METHODS)),
    length=st.integers(1, 60),
    n_obs=st.integers(0, 30),
    window=st.integers(1, 14),
    step=st.integers(1, 10),
    seed=st.integers(0, 99),
)
def test_any_plan_gets_a_schedule_that_can_be_executed(name, method, length, n_obs, window, step, seed):
    try:
        plan = plan_of(name, length, n_obs, window, step)
        plan.check(window)
        searches = stage_searches(plan, window, method)
    except InputError as error:
        assert "\n" not in str(error)
        return

    def errors(count, sets):
        return [hash((seed, count, *observed)) for observed in sets]

    schedule = {search.stage: frames(choose(search, errors)) for search in searches}
    optimal = with_observed(plan, schedule)
    optimal.check(window)
    assert [stage.latent for stage in optimal.stages] == [stage.latent for stage in plan.stages]
    for number, (stage, base) in enumerate(zip(optimal.stages, plan.stages, strict=True)):
        known = set(plan.true_frames).union(*(earlier.latent for earlier in plan.stages[:number]))
        places = min(window - len(base.latent), len(known.difference(base.latent)))
        assert len(stage.observed) == (places if base.observed else 0) >= len(base.observed)
        if "force-nearby" in method and base.observed:
            expected = nearest(sorted(known.difference(base.latent)), base.latent)
            assert stage.observed[:2][: len(expected)] == expected[: len(stage.observed)]


def test_goals_and_frames_made_before_are_candidates_and_stages_from_nothing_are_not_searched():
    plan = base_plan(parse_mode("goal-directed-autoreg_8_3_16_2"))
    first, second = stage_searches(plan, 8, "")[:2]
    assert first.candidates == (0, 1, *range(11, 16))
    assert second.candidates == (*range(5), *range(11, 16))
    plan = base_plan(parse_mode("autoreg_8_3_16_0"))
    assert [search.stage for search in stage_searches(plan, 8, "linspace-t")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("plan", "method", "error", "message"),
    [
        (Plan(4, 2, (Stage((0,), (2, 3), 1),)), "", PlanError, "adaptive"),
        (Plan(4, 2, (Stage((), (2, 3)),)), "", PlanError, "no stage observes a frame"),
        (
            Plan(4, 2, (Stage((0,), (2, 3)),)),
            "random-t",
            InputError,
            "optimal-random-t .* optimal-linspace-t,",
        ),
    ],
)
def test_what_cannot_be_searched(plan, method, error, message):
    with pytest.raises(error, match=message):
        stage_searches(plan, 4, method)


MODE = parse_mode("autoreg_optimal-linspace-t_4_2_8_4")


def test_a_mode_observes_what_its_schedule_says():
    plan = make_plan(MODE, {0: [3, 0], 1: [0, 5]})
    assert [stage.observed for stage in plan.stages] == [(3, 0), (0, 5)]
    assert base_plan(MODE).stages[0].observed == (2, 3)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({0: [3]}, "no observed frames for stage 1"),
        ({0: [3], 1: []}, "no observed frames for stage 1"),
        ({0: [3], 1: [3], 2: [3]}, "has a stage 2, the plan has stages 0 to 1"),
        ({0: [6], 1: [3]}, "stage 0 observes frame 6, neither given"),
        ({0: [3, 3], 1: [3]}, "names frame 3 more than once"),
        ({0: [0, 1, 2], 1: [3]}, "stage 0 has 5 frames"),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused(schedule, message):
    with pytest.raises(PlanError, match=message) as caught:
        make_plan(MODE, schedule)
    assert "autoreg_optimal-linspace-t_4_2_8_4" in str(caught.value)
