"""Levels of plans: the figures of the specification, and that nothing runs before what it waits for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viddiff.inference.combine import plan_of
from viddiff.inference.levels import levels
from viddiff.inference.plan import Plan, Stage

# Stages and longest chain at T = 300, 500, 1000; 36 observed, windows of 20, 10 made per stage.
COSTS = {
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


@pytest.mark.parametrize("name", COSTS)
def test_stages_and_longest_chain_are_those_of_the_specification(name):
    plans = [plan_of(name, length, 36, 20, 10) for length in (300, 500, 1000)]
    assert [(len(plan.stages), len(levels(plan))) for plan in plans] == COSTS[name]


def test_what_is_made_again_waits_for_its_readers():
    plan = Plan(4, 1, (Stage((0,), (1,)), Stage((1,), (2,)), Stage((0,), (1,)), Stage((0,), (3,))))
    assert levels(plan) == ((0, 3), (1,), (2,))


def test_selecting_stages_wait_for_all_before_them():
    plan = Plan(4, 1, (Stage((0,), (1,)), Stage((0,), (2,)), Stage((0,), (3,), n_select=1)))
    assert levels(plan) == ((0, 1), (2,))
    assert levels(Plan(3, 2, (Stage((0,), (2,), n_select=1), Stage((0,), (2,))))) == ((0,), (1,))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        ["hierarchy-3", "google", "adaptive-hierarchy-2", "gibbs-2-hierarchy-4", "gibbs-1-google"]
    ),
    st.integers(30, 120),
    st.integers(0, 29),
    st.integers(5, 20),
    st.integers(1, 5),
)
def test_every_stage_runs_once_and_after_what_it_reads_and_remakes(name, length, n_obs, window, step_size):
    plan = plan_of(name, length, n_obs, window, step_size)
    level_of = {number: i for i, level in enumerate(levels(plan)) for number in level}
    assert sorted(level_of) == list(range(len(plan.stages)))
    for later, stage in enumerate(plan.stages):
        for earlier, before in enumerate(plan.stages[:later]):
            reads = stage.n_select or set(stage.observed).intersection(before.latent)
            remakes = set(stage.latent).intersection((*before.latent, *before.observed))
            if reads or remakes:
                assert level_of[earlier] < level_of[later]
