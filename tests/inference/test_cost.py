"""The cost of plans: exact where it is known, consistent everywhere."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from named import plan_of

from viddiff.errors import InputError, PlanError
from viddiff.inference.cost import plan_cost
from viddiff.inference.plan import Plan, Stage

# (stages, chain) at T = 300, 500, 1000 with 36 observed frames, windows of 20, 10 new ones at a time.
KNOWN = {
    "autoreg": [(27, 27), (47, 47), (97, 97)],
    "mixed-autoreg-independent": [(27, 27), (47, 47), (97, 97)],
    "hierarchy-2": [(27, 27), (47, 47), (97, 97)],
    "hierarchy-3": [(28, 23), (47, 41), (97, 88)],
    "hierarchy-4": [(28, 13), (48, 23), (98, 71)],
    "hierarchy-5": [(34, 12), (55, 24), (98, 35)],
    "google": [(42, 10), (73, 16), (152, 32)],
    "like-google": [(24, 8), (41, 13), (86, 26)],
    "independent": [(27, 1), (47, 1), (97, 1)],
}
NAMES = [
    *KNOWN,
    "really-independent",
    "exp-past",
    "goal-directed-autoreg",
    "goal-directed-hierarchy-3",
    "gibbs-2-google",
    "adaptive-hierarchy-2",
    "gibbs-1-adaptive-l2-autoreg",
]


@pytest.mark.parametrize("name", KNOWN)
def test_stages_and_chains_are_those_of_the_specification(name):
    costs = [plan_cost(plan_of(name, length, 36, 20, 10), 20, 250) for length in (300, 500, 1000)]
    assert [(cost.stages, cost.chain) for cost in costs] == KNOWN[name]


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    length=st.integers(1, 120),
    n_obs=st.integers(0, 119),
    window=st.integers(1, 40),
    step_size=st.integers(1, 40),
    steps=st.integers(1, 1000),
)
def test_costs_are_consistent(name, length, n_obs, window, step_size, steps):
    try:
        plan = plan_of(name, length, n_obs, window, step_size)
    except PlanError:
        assume(False)
    cost = plan_cost(plan, window, steps)
    assert 1 <= cost.chain <= cost.stages == len(plan.stages)
    assert cost.evaluations == cost.stages * steps
    assert steps <= cost.sequential_evaluations == cost.chain * steps <= cost.evaluations
    assert 1 <= cost.largest_window <= cost.max_frames == window
    assert 0 < cost.filled <= cost.largest_window / window <= 1
    assert 0 <= cost.selected <= sum(window - len(stage.latent) for stage in plan.stages)
    assert "adaptive" in name or not cost.selected


def test_frames_chosen_at_run_time_fill_their_places():
    cost = plan_cost(Plan(6, 3, (Stage((2,), (3,), n_select=2), Stage((3,), (4, 5)))), 5, 10)
    assert (cost.stages, cost.chain, cost.largest_window, cost.selected) == (2, 2, 4, 2)
    assert cost.filled == pytest.approx(7 / 10)


def test_a_plan_that_does_not_fit_the_windows_has_no_cost():
    with pytest.raises(PlanError, match="max_frames is 3"):
        plan_cost(plan_of("autoreg", 12, 4, 4, 2), 3, 10)


def test_samplers_that_evaluate_twice_cost_twice():
    plan = plan_of("autoreg", 12, 4, 4, 2)
    plain, heun = (plan_cost(plan, 4, 10, sampler) for sampler in ("dpm", "heun"))
    assert plain == plan_cost(plan, 4, 10)
    assert (plain.diffusion_steps, heun.diffusion_steps) == (10, 10)
    assert heun.evaluations == 19 * plain.stages and plain.evaluations == 10 * plain.stages
    assert heun.sequential_evaluations == 19 * plain.chain


def test_steps_cost_the_levels_that_frames_fall_by():
    rolling = plan_cost(plan_of("rolling-6", 54, 4, 10, 1), 10, 60, "ddim")
    assert (rolling.stages, rolling.evaluations, rolling.sequential_evaluations) == (55, 550, 550)
    joint = plan_cost(plan_of("joint-10", 44, 4, 10, 10), 10, 10, "ddim-eta0.5")
    assert (joint.stages, joint.evaluations, joint.sequential_evaluations) == (45, 45, 15)
    mixed = plan_cost(plan_of("gibbs-1-sequential", 8, 4, 8, 4), 8, 7)
    assert (mixed.stages, mixed.evaluations) == (5, 5 * 7)
    for sampler, steps, message in (
        ("dpm", 60, "needs more than the estimate"),
        ("ddim", 5, "through 6 noise lev"),
    ):
        with pytest.raises(InputError, match=message):
            plan_cost(plan_of("rolling-6", 54, 4, 10, 1), 10, steps, sampler)
