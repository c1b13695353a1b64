"""Waves of plans: nothing runs before what it waits for. Their number is tested with the cost of plans."""

from hypothesis import given, settings
from hypothesis import strategies as st
from named import plan_of

from viddiff.inference.plan import Plan, Stage, waves


def test_what_is_made_again_waits_for_its_readers():
    plan = Plan(4, 1, (Stage((0,), (1,)), Stage((1,), (2,)), Stage((0,), (1,)), Stage((0,), (3,))))
    assert waves(plan) == ((0, 3), (1,), (2,))


def test_selecting_stages_wait_for_all_before_them():
    plan = Plan(4, 1, (Stage((0,), (1,)), Stage((0,), (2,)), Stage((0,), (3,), n_select=1)))
    assert waves(plan) == ((0, 1), (2,))
    assert waves(Plan(3, 2, (Stage((0,), (2,), n_select=1), Stage((0,), (2,))))) == ((0,), (1,))


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
    wave_of = {number: i for i, wave in enumerate(waves(plan)) for number in wave}
    assert sorted(wave_of) == list(range(len(plan.stages)))
    for later, stage in enumerate(plan.stages):
        for earlier, before in enumerate(plan.stages[:later]):
            reads = stage.n_select or set(stage.observed).intersection(before.latent)
            remakes = set(stage.latent).intersection((*before.latent, *before.observed))
            if reads or remakes:
                assert wave_of[earlier] < wave_of[later]
