"""The engine, with a fake sampler that writes what it saw."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from named import makes_steps, plan_of

from viddiff.errors import PlanError
from viddiff.inference.complete import complete
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.select import l2_embedding
from viddiff.inference.strategies import strategy_names
from viddiff.seeds import SampleIdentity, row_noise, stage_generator
from viddiff.window import Window

GOAL_MODES = ["goal-directed-hierarchy-2_12_5_30_8", "goal-directed-mixed_10_4_30_0"]
MODES = ["autoreg_10_5_30_8", "hierarchy-2_8_4_30_8", "hierarchy-3_8_4_41_3", "independent_10_5_30_8"]
IDENTITY = SampleIdentity("c0ffee", "autoreg_10_5_30_8", "ancestral", 0, 0)


def videos(count, length, seed=0):
    return torch.rand(count, length, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def identities(*numbers):
    return [replace(IDENTITY, video=number) for number in numbers]


def write_indices(window, noise):
    """A fake sampler: every frame becomes its own index."""
    return window.frame_index[:, :, None, None, None].expand_as(window.frames).float()


def noisy_mean(window, noise):
    """A fake sampler that depends on the observed frames and on two draws of noise."""
    seen = (window.frames * window.observed[:, :, None, None, None]).mean(dim=(1, 2, 3, 4), keepdim=True)
    return seen + noise() + 0.5 * noise()


@pytest.mark.parametrize("mode", [*MODES, "autoreg_10_5_30_0", "hierarchy-2_10_5_30_0"])
def test_every_frame_is_made_in_its_place_and_given_frames_stay(mode):
    plan = make_plan(parse_mode(mode))
    start = videos(2, plan.length)
    done = complete(plan, start, identities(0, 1), write_indices).frames
    assert torch.equal(done[:, : plan.given], start[:, : plan.given])
    expected = torch.arange(plan.given, plan.length).float()
    assert torch.equal(done[:, plan.given :, 0, 0, 0], expected.expand(2, -1))


@pytest.mark.parametrize("mode", [*GOAL_MODES, "gibbs-2-goal-directed-autoreg_10_4_30_8"])
def test_goals_are_the_true_frames_whenever_they_are_observed(mode):
    plan = make_plan(parse_mode(mode))
    start, goals = videos(2, plan.length), list(plan.goals)
    seen = []

    def keep(window, noise):
        index = window.frame_index[0].tolist()
        places = [i for i, frame in enumerate(index) if frame in goals]
        assert torch.equal(window.frames[:, places], start[:, [index[i] for i in places]])
        assert window.observed[:, places].all()
        seen.extend(places)
        return write_indices(window, noise)

    done = complete(plan, start, identities(0, 1), keep).frames
    known = list(plan.true_frames)
    assert goals and seen and goals[-1] == plan.length - 1
    assert torch.equal(done[:, known], start[:, known])
    made = [frame for frame in range(plan.length) if frame not in known]
    assert torch.equal(done[:, made, 0, 0, 0], torch.tensor(made).float().expand(2, -1))


@pytest.mark.parametrize("mode", [MODES[0], *GOAL_MODES])
def test_frames_that_are_not_given_are_not_read(mode):
    plan = make_plan(parse_mode(mode))
    start = videos(1, plan.length)
    hidden = torch.full_like(start, torch.nan)
    hidden[:, list(plan.true_frames)] = start[:, list(plan.true_frames)]
    runs = [complete(plan, batch, identities(0), noisy_mean).frames for batch in (start, hidden)]
    assert torch.equal(*runs)


def test_windows_hold_known_frames_and_mark_them():
    plan = Plan(6, 2, (Stage((1, 0), (5,)), Stage((5, 1), (2, 3, 4))))
    seen = []

    def keep(window, noise):
        seen.append(window)
        return write_indices(window, noise)

    start = videos(1, 6)
    complete(plan, start, identities(0), keep)
    assert seen[0].frame_index.tolist() == [[1, 0, 5]]
    assert torch.equal(seen[0].frames[:, :2], start[:, [1, 0]])
    assert seen[1].observed.tolist() == [[True, True, False, False, False]]
    assert torch.equal(seen[1].latent, ~seen[1].observed)
    assert (seen[1].frames[:, 0] == 5).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sizes", [(1,) * 8, (3, 3, 2), (8,)])
def test_a_video_is_the_same_in_every_batch_and_order(mode, sizes):
    plan = make_plan(parse_mode(mode))
    start = videos(8, plan.length)
    together = complete(plan, start, identities(*range(8)), noisy_mean).frames
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1)).split(sizes)
    for batch in order:
        part = complete(plan, start[batch], identities(*batch.tolist()), noisy_mean).frames
        torch.testing.assert_close(part, together[batch], rtol=0, atol=1e-6)
    again = complete(plan, start, identities(*range(8)), noisy_mean).frames
    assert torch.equal(again, together)


def test_noise_depends_on_each_part_of_the_identity_and_on_the_stage():
    changes = {"checkpoint": "other", "mode": "autoreg_10_5_30_9", "sampler": "ddim", "video": 1, "sample": 1}
    draws = [
        torch.randn(8, generator=stage_generator(replace(IDENTITY, **{k: v}), 0)) for k, v in changes.items()
    ]
    draws += [torch.randn(8, generator=stage_generator(IDENTITY, stage)) for stage in (0, 1)]
    assert len({tuple(draw.tolist()) for draw in draws}) == len(draws)
    same = torch.randn(8, generator=stage_generator(IDENTITY, 0))
    assert torch.equal(same, draws[-2])


def test_noise_is_standard_normal_over_stages():
    draws = torch.cat([torch.randn(1000, generator=stage_generator(IDENTITY, stage)) for stage in range(50)])
    assert abs(draws.mean()) < 4 / len(draws) ** 0.5
    assert abs(draws.var() - 1) < 4 * (2 / len(draws)) ** 0.5


def test_progress_is_told_after_each_stage():
    plan = make_plan(parse_mode(MODES[0]))
    done = []
    complete(plan, videos(1, plan.length), identities(0), write_indices, progress=done.append)
    assert done == list(range(1, len(plan.stages) + 1))


def one_by_one(plan, start, identities, sample, embed):
    """The plan stage after stage, each video by itself: what the engine must be equal to."""
    frames = start.clone()
    for row, identity in enumerate(identities):
        known = list(plan.true_frames)
        for number, stage in enumerate(plan.stages):
            chosen = list(stage.observed)
            others = [frame for frame in sorted(set(known)) if frame not in (*chosen, *stage.latent)]
            for _ in range(stage.n_select):
                nearest = [
                    min((embed(frames[row, [f, c]])).diff(dim=0).norm() for c in chosen) for f in others
                ]
                chosen.append(others.pop(max(range(len(others)), key=nearest.__getitem__)))
            index = torch.tensor([[*chosen, *stage.latent]])
            latent = torch.arange(index.shape[1])[None] >= len(chosen)
            window = Window(frames[[row], index], index, ~latent, latent)
            noise = row_noise([stage_generator(identity, number)], window.frames.shape[1:], "cpu")
            frames[row, list(stage.latent)] = sample(window, noise)[0, len(chosen) :]
            known.extend(stage.latent)
    return frames


PREFIXES = [
    "",
    "goal-directed-",
    "adaptive-l2-",
    "adaptive-l2-goal-directed-",
    "gibbs-1-adaptive-l2-",
    "gibbs-1-",
]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(PREFIXES),
    st.sampled_from([name for name in strategy_names() if not makes_steps(name)]),
    st.integers(1, 400),
    st.integers(0, 399),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_every_plan_is_executed(prefix, name, length, n_obs, window, step_size):
    step_size, n_obs = min(step_size, window), min(n_obs, length - 1)
    try:
        plan = plan_of(prefix + name, length, n_obs, window, step_size)
    except PlanError:
        return
    start = torch.zeros(1, length, 1, 1, 1)
    done = complete(plan, start, identities(0), write_indices, windows_per_call=8, embed=l2_embedding)
    made = torch.ones(length, dtype=torch.bool)
    made[list(plan.true_frames)] = False
    assert torch.equal(done.frames[0, :, 0, 0, 0], torch.arange(length) * made)
    done.plans[0].check(window)


NAMES = [
    "hierarchy-3",
    "independent",
    "google",
    "like-google",
    "goal-directed-hierarchy-2",
    "gibbs-2-hierarchy-4",
]
NAMES += ["adaptive-l2-autoreg", "adaptive-l2-goal-directed-hierarchy-3", "gibbs-1-adaptive-l2-hierarchy-2"]


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    length=st.integers(7, 40),
    n_obs=st.integers(0, 39),
    window=st.integers(8, 14),
    step_size=st.integers(1, 8),
    most=st.integers(1, 9),
)
def test_wave_by_wave_is_equal_to_stage_after_stage(name, length, n_obs, window, step_size, most):
    try:
        plan = plan_of(name, length, n_obs, window, step_size)
    except PlanError:
        reject()
    start = videos(2, length)
    calls = []

    def sample(window, noise):
        calls.append(len(window.frames))
        return noisy_mean(window, noise)

    done = complete(plan, start, identities(0, 1), sample, windows_per_call=most, embed=l2_embedding)
    assert max(calls) <= most and sum(calls) == 2 * len(plan.stages)
    expected = one_by_one(plan, start, identities(0, 1), noisy_mean, l2_embedding)
    torch.testing.assert_close(done.frames, expected, rtol=0, atol=1e-5)
    for executed in done.plans:
        executed.check(window)
        assert [stage.latent for stage in executed.stages] == [stage.latent for stage in plan.stages]
        assert not any(stage.n_select for stage in executed.stages)


@settings(max_examples=50, deadline=None)
@given(name=st.sampled_from(NAMES), length=st.integers(9, 40), most=st.integers(1, 9), data=st.data())
def test_any_finished_stages_are_not_made_again_and_change_nothing(name, length, most, data):
    try:
        plan = plan_of(name, length, 4, 8, 3)
    except PlanError:
        reject()
    start, kept = videos(2, length), {}

    def keep(row, stage, made):
        kept[row, stage] = made

    def run(sample, **more):
        return complete(
            plan, start, identities(0, 1), sample, windows_per_call=most, embed=l2_embedding, **more
        )

    expected = run(noisy_mean, keep=keep)
    assert set(kept) == {(row, stage) for row in range(2) for stage in range(len(plan.stages))}
    finished = {key: kept[key] for key in data.draw(st.sets(st.sampled_from(sorted(kept))))}
    calls, again = [], {}

    def sample(window, noise):
        calls.append(len(window.frames))
        return noisy_mean(window, noise)

    done = run(sample, finished=finished, keep=lambda row, stage, made: again.setdefault((row, stage), made))
    assert sum(calls) == len(again) == len(kept) - len(finished)
    torch.testing.assert_close(done.frames, expected.frames, rtol=0, atol=1e-6)
    assert done.plans == expected.plans


def test_each_known_frame_is_embedded_once_and_only_those_that_may_be_selected():
    plan = make_plan(parse_mode("adaptive-l2-autoreg_10_5_30_8"))
    counts = []

    def embed(frames):
        counts.append(len(frames))
        return l2_embedding(frames)

    complete(plan, videos(1, plan.length), identities(0), noisy_mean, embed=embed)
    assert sum(counts) == plan.length - len(plan.stages[-1].latent)


@pytest.mark.parametrize("mode", ["adaptive-l2-autoreg_10_5_30_8", "adaptive-l2-hierarchy-2_8_4_30_8"])
def test_what_is_selected_does_not_depend_on_the_batch(mode):
    plan, start = make_plan(parse_mode(mode)), videos(3, 30)
    together = complete(plan, start, identities(0, 1, 2), noisy_mean, embed=l2_embedding)
    for row in range(3):
        alone = complete(plan, start[[row]], identities(row), noisy_mean, embed=l2_embedding)
        assert alone.plans[0] == together.plans[row]
    assert len(set(together.plans)) == 3
