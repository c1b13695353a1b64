"""The engine on plans with steps, with a fake network: what windows hold, noise, batches, and going on where it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from named import plan_of

from viddiff.errors import PlanError
from viddiff.inference.complete import complete
from viddiff.seeds import SampleIdentity, frame_noise, row_noise, stage_generator
from viddiff.window import Window

IDENTITY = SampleIdentity("c0ffee", "rolling-4_8_2_20_3", "ddim", 0, 0)
NAMES = [
    "rolling-4",
    "rolling-8",
    "pyramid-50",
    "sequential",
    "joint-3",
    "gibbs-1-pyramid-50",
    "goal-directed-joint-2",
]


def videos(count, length):
    return torch.rand(count, length, 3, 2, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1


def identities(*numbers):
    return [replace(IDENTITY, video=number) for number in numbers]


def stage(window, noise):
    seen = (window.frames * window.observed[:, :, None, None, None]).mean(dim=(1, 2, 3, 4), keepdim=True)
    return seen + noise()


def advance(window, walk, noise):
    """Frames that fall become a mixture of themselves, all that is seen, their levels, and noise of two evaluations."""
    starts, ends = (torch.tensor(levels)[:, :, None, None, None] for levels in (walk.starts, walk.ends))
    mean = window.frames.mean(dim=(1, 2, 3, 4), keepdim=True)
    new = 0.5 * window.frames + mean + 0.1 * (starts + 2 * ends) + 0.3 * noise(0) + 0.2 * noise(1)
    return torch.where(starts > ends, new, torch.nan)  # what is not moved is not to be used


def literally(plan, start, identity):
    """One video, step after step, with a table of its own of what is noisy."""
    frames, shape = torch.full_like(start, torch.nan), start.shape[1:]
    for frame in plan.true_frames:
        frames[frame] = start[frame]
    for number, s in enumerate(plan.stages):
        index = [*s.observed, *s.latent]
        here = frames[index].clone()
        observed = torch.arange(len(index))[None] < len(s.observed)
        if s.is_step:
            for place, (frame, first) in enumerate(zip(s.latent, s.starts, strict=True)):
                if first == s.levels:
                    here[len(s.observed) + place] = frame_noise(identity, [frame], shape)[0]
            assert here.isfinite().all()
            walk = type("Walk", (), {})()
            walk.starts = [[0] * len(s.observed) + list(s.starts)]
            walk.ends = [[0] * len(s.observed) + list(s.ends)]
            window = Window(here[None], torch.tensor([index]), observed, ~observed)
            made = advance(
                window,
                walk,
                lambda e, number=number, index=index: frame_noise(identity, index, shape, number, e)[None],
            )
        else:
            noise = row_noise([stage_generator(identity, number)], here.shape, "cpu")
            made = stage(Window(here.nan_to_num()[None], torch.tensor([index]), observed, ~observed), noise)
        for frame in s.moved:
            frames[frame] = made[0, index.index(frame)]
    return frames


@settings(max_examples=6, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    length=st.integers(7, 12),
    n_obs=st.integers(0, 5),
    window=st.integers(4, 12),
    step_size=st.sampled_from([2, 4]),
    most=st.integers(1, 5),
    data=st.data(),
)
def test_steps_are_those_of_the_plan_in_any_batch_and_after_any_stop(
    name, length, n_obs, window, step_size, most, data
):
    """Bit for bit, whichever steps an earlier call has kept."""
    try:
        plan = plan_of(name, length, n_obs, window, step_size)
        plan.check(window)
    except PlanError:
        reject()
    start, kept, seen = videos(2, length), {}, []

    def watched(here, walk, noise):
        seen.append(here)
        return advance(here, walk, noise)

    def run(**more):
        return complete(
            plan, start, identities(0, 1), stage, advance=watched, windows_per_call=most, **more
        ).frames

    done = run(keep=lambda row, number, made: kept.setdefault((row, number), made))
    assert set(kept) == {(row, number) for row in range(2) for number in range(len(plan.stages))}
    for row in range(2):
        expected = literally(plan, start[row], identities(row)[0])
        torch.testing.assert_close(done[row], expected, rtol=1e-4, atol=1e-5)
        alone = complete(plan, start[[row]], identities(row), stage, advance=advance).frames
        assert torch.allclose(alone[0], done[row], atol=1e-5)
    for here in seen:
        assert bool((here.observed ^ here.latent).all())
    finished = {key: kept[key] for key in data.draw(st.sets(st.sampled_from(sorted(kept))))}
    again = {}
    resumed = run(finished=finished, keep=lambda row, number, made: again.setdefault((row, number), made))
    assert set(again) == set(kept) - set(finished)
    torch.testing.assert_close(resumed, done, rtol=1e-4, atol=1e-5)


def test_true_frames_stay_and_others_are_not_read():
    plan, start = plan_of("goal-directed-rolling-4", 20, 3, 12, 2), videos(1, 20)
    hidden = torch.full_like(start, torch.nan)
    hidden[:, list(plan.true_frames)] = start[:, list(plan.true_frames)]
    one, two = (
        complete(plan, given, identities(0), stage, advance=advance).frames for given in (start, hidden)
    )
    assert torch.equal(one, two)
    assert torch.equal(one[:, list(plan.true_frames)], start[:, list(plan.true_frames)])


def test_noise_depends_on_frame_step_and_evaluation_and_on_each_part_of_the_identity():
    places = [((4,), ()), ((5,), ()), ((4,), (0, 0)), ((4,), (1, 0)), ((4,), (0, 1))]
    drawn = [frame_noise(IDENTITY, frames, (2,), *where) for frames, where in places]
    drawn += [frame_noise(replace(IDENTITY, sample=1), (4,), (2,))]
    assert len({tuple(d.flatten().tolist()) for d in drawn}) == len(drawn)
    both = frame_noise(IDENTITY, (4, 5), (2,))
    assert torch.equal(both, torch.cat([drawn[0], drawn[1]]))


def test_without_advance_steps_are_refused():
    with pytest.raises(ValueError, match="needs advance"):
        complete(plan_of("sequential", 5, 2, 4, 2), videos(1, 5), identities(0), stage)
