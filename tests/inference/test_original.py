"""Plans for any parameters are those that the original's rules make, wherever these can be executed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_plans import RULES, farthest_first, original_stages
from named import goal_frames, plan_of

from viddiff.errors import PlanError
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.select import chosen_plans, l2_embedding

STATIC = [mode for mode in RULES if not mode.startswith("adaptive")]
STATIC += [f"hierarchy-{depth}" for depth in range(2, 6)]
ADAPTIVE = ["adaptive-autoreg", "adaptive-hierarchy-2", "adaptive-hierarchy-3"]
# In docs/differences.md: with so few places left to observe a frame, the original observes more than it should.
NO_PLACE = {"autoreg": 0, "independent": 0, "like-google": 0, "mixed-autoreg-independent": 1}
NO_PLACE |= {"goal-directed-autoreg": 0, "goal-directed-mixed": 1, "adaptive-autoreg": 0}


@st.composite
def parameter_sets(draw):
    length = draw(st.integers(2, 30) | st.integers(2, 120))
    window = draw(st.integers(1, 24) | st.just(length))
    n_obs = draw(st.just(0) | st.integers(0, length - 1) | st.integers(0, min(40, length - 1)))
    return length, n_obs, window, draw(st.integers(1, window))


def originals(mode, parameters, *select):
    """The original's plan, or `None` where it stops with an error or its plan cannot be executed."""
    length, n_obs, window, _ = parameters
    try:
        with np.errstate(all="ignore"):
            stages = [
                Stage(tuple(map(int, observed)), tuple(map(int, latent)))
                for observed, latent in original_stages(mode, *parameters, *select)
            ]
        plan = Plan(length, n_obs, tuple(stages), goal_frames(mode, length))
        plan.check(window)
    except (AssertionError, ArithmeticError, IndexError, PlanError, StopIteration, RuntimeError, ValueError):
        return None
    return plan


def is_listed(mode, length, n_obs, window, step_size):
    """Whether the parameters are among the listed differences: no place to observe, nothing to make before goals."""
    nothing_left = n_obs >= length - len(goal_frames(mode, length))
    return nothing_left or window - step_size <= NO_PLACE.get(mode, -1)


@pytest.mark.parametrize("mode", STATIC)
@settings(max_examples=60, deadline=None)
@given(parameter_sets())
def test_static_plans_are_the_originals(mode, parameters):
    theirs = None if is_listed(mode, *parameters) else originals(mode, parameters)
    if theirs is not None:
        assert plan_of(mode, *parameters) == theirs


@pytest.mark.parametrize("mode", ADAPTIVE)
@settings(max_examples=60, deadline=None)
@given(parameter_sets(), st.integers(0, 1000))
def test_adaptive_modes_choose_the_originals_frames(mode, parameters, seed):
    videos = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, parameters[0], 1, 2, 4)))
    theirs = originals(mode, parameters, farthest_first(videos[0].flatten(1).numpy()))
    if theirs is not None and not is_listed(mode, *parameters):
        plan = plan_of(mode.replace("adaptive", "adaptive-l2"), *parameters)
        assert chosen_plans(plan, videos, l2_embedding) == (theirs,)


@pytest.mark.parametrize("mode", ["ho-et-al-for-vis", "like-google", "google", "baby-cond-ho-et-al-for-vis"])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_video_in_one_window_needs_no_larger_window(mode, length):
    plan = plan_of(mode, length, 0, length, length)
    assert plan.stages == (Stage((), tuple(range(length))),)


def test_from_nothing_a_whole_window_comes_first_then_nine_frames_at_a_time():
    stages = plan_of("ho-et-al-for-vis", 64, 0, 16, 8).stages
    assert stages[0] == Stage((), tuple(range(16)))
    assert stages[1] == Stage((15,), tuple(range(16, 24))) and len(stages) == 7
