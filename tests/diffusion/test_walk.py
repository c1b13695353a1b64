"""Walks of frames through levels of their own: on a Gaussian target, for which all is known, and against samplers."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise

import pytest
import torch
from gaussian import MEAN, SAMPLERS, SPREAD, even_levels, gaussian
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import TINY, seeded_model
from torch import Tensor

from viddiff.diffusion.denoiser import Estimate
from viddiff.diffusion.history import level_at
from viddiff.diffusion.level_path import check_levels, diffusion_level, level_paths, step_evaluations
from viddiff.diffusion.noise_schedule import CLEAN, FrameLevels, Level
from viddiff.diffusion.process import diffusion_of
from viddiff.diffusion.sample import Conditioning, WindowSampler
from viddiff.diffusion.samplers.base import find_sampler, find_step, sampler_step
from viddiff.diffusion.treatment import Treatment
from viddiff.diffusion.walk import level_of, told_levels, walked
from viddiff.errors import InputError
from viddiff.flat_config import with_defaults
from viddiff.window import Walk, Window

WITH_STEP = [name for name in SAMPLERS if name.split("-")[0] in sampler_step.names()]
LEVELS = even_levels(6)


def window(frames: Tensor, observed: int = 0) -> Window:
    seen = (torch.arange(frames.shape[1]) < observed).expand(frames.shape[:2])
    return Window(frames, torch.arange(frames.shape[1]).expand(frames.shape[:2]), seen, ~seen)


def noise_of(shape: torch.Size, seed: int = 1):
    def noise(evaluation: int) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed + evaluation))

    return noise


def learned(x_t: Tensor, level: Level) -> Estimate:
    """The best estimate, with a variance between the smallest and the largest that differs by value."""
    return Estimate(gaussian(x_t, level).x_0, torch.tanh(x_t))


@pytest.mark.parametrize("name", WITH_STEP)
@pytest.mark.parametrize("denoise", [gaussian, learned])
def test_alike_from_noise_to_clean_it_is_the_sampler(name: str, denoise) -> None:
    """Bit for bit, and so in two parts with a stop between them."""
    x_T = torch.randn(2, 3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    draw = noise_of(x_T.shape)
    numbers = iter(range(100))
    plain = find_sampler(name)(denoise, x_T, LEVELS, lambda: draw(next(numbers)))

    def walk(x: Tensor, start: int, end: int, noise) -> Tensor:
        ways = Walk(2, [[start] * 3] * 2, [[end] * 3] * 2)
        return walked(denoise, find_step(name), window(x), ways, LEVELS, noise)

    assert torch.equal(walk(x_T, 2, 0, draw), plain)
    half = walk(x_T, 2, 1, draw)
    assert torch.equal(walk(half, 1, 0, lambda evaluation: draw(evaluation + 3)), plain)


@pytest.mark.parametrize("name", WITH_STEP)
def test_each_frame_goes_its_own_way(name: str) -> None:
    """Where the estimate of a frame depends on that frame alone, frames beside it change nothing; held ones stay."""
    x = torch.randn(2, 4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    ways = Walk(3, [[0, 2, 3, 1], [0, 3, 3, 3]], [[0, 1, 0, 1], [0, 2, 1, 3]])
    draw = noise_of(x.shape)
    result = walked(gaussian, find_step(name), window(x, 1), ways, LEVELS, draw)
    for row in range(2):
        for frame in range(4):
            start, end = ways.starts[row][frame], ways.ends[row][frame]
            if start == end:
                assert torch.equal(result[row, frame], x[row, frame])
                continue
            # Alone it has as many evaluations as it has levels; here those of the longest way of its window.
            path = level_paths(ways.starts[row], ways.ends[row], 3, len(LEVELS))[frame]
            expected, ladder = x[row, frame], [CLEAN, *reversed(LEVELS)]
            for evaluation, (now, after) in enumerate(pairwise(path)):
                if now > after:
                    estimate = gaussian(expected, ladder[now])
                    fresh = draw(evaluation)[row, frame]
                    expected = find_step(name)(
                        expected, estimate, ladder[now], ladder[after], lambda f=fresh: f
                    )
            torch.testing.assert_close(result[row, frame], expected, rtol=1e-5, atol=1e-5)


def test_frames_at_rising_levels_come_out_as_the_target() -> None:
    """A queue of three, walked until all are clean: every frame has the target's mean and spread."""
    levels = even_levels(200)
    x = torch.randn(1, 3, 1, 100, 100, generator=torch.Generator().manual_seed(3))
    matrix = [[3, 3, 3], [2, 3, 3], [1, 2, 3], [0, 1, 2], [0, 0, 1], [0, 0, 0]]
    for number in range(5):
        ways = Walk(3, [matrix[number]], [matrix[number + 1]])
        x = walked(
            gaussian, find_step("ddim-eta1"), window(x), ways, levels, noise_of(x.shape, 1000 * number)
        )
    for frame in x[0]:
        assert abs(float(frame.mean()) - MEAN) < 0.02
        assert abs(float(frame.std()) - SPREAD) < 0.02


def test_clean_frames_are_told_the_level_of_the_least_noisy_other_one() -> None:
    told = told_levels([[0, 0, 3, 5], [0, 2, 2, 2], [0, 0, 0, 0]])
    assert told == [[3, 3, 3, 5], [2, 2, 2, 2], [1, 1, 1, 1]]
    ladder, x = [CLEAN, *reversed(LEVELS)], torch.zeros(1, 4, 1, 1, 1)
    assert level_of(told[1:2], ladder, x) is ladder[2]
    mixed = level_of(told[:1], ladder, x)
    assert isinstance(mixed, FrameLevels)
    assert mixed.t.tolist() == [[ladder[3].t, ladder[3].t, ladder[3].t, ladder[5].t]]
    assert mixed.alpha.shape == (1, 4, 1, 1, 1)


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(0, 60), st.data())
def test_paths_join_fall_and_end_where_they_shall(levels: int, more: int, data) -> None:
    steps = levels + more
    starts = data.draw(st.lists(st.integers(0, levels), min_size=1, max_size=5))
    ends = [data.draw(st.integers(0, start)) for start in starts]
    count = step_evaluations(starts, ends, levels, steps)
    assert (count > 0) == any(start > end for start, end in zip(starts, ends, strict=True))
    for start, end, path in zip(starts, ends, level_paths(starts, ends, levels, steps), strict=True):
        assert len(path) == count + 1
        assert path[0] == diffusion_level(start, levels, steps)
        assert path[-1] == diffusion_level(end, levels, steps)
        assert all(now - after in (0, 1) for now, after in pairwise(path))
        assert 0 not in path[:-1] or start == 0
    assert step_evaluations([levels], [0], levels, steps) == steps


@pytest.mark.parametrize("name", ["dpm", "sde-dpm", "heun", "unipc-order3"])
def test_samplers_that_need_more_than_one_estimate_are_refused(name: str) -> None:
    with pytest.raises(
        InputError, match=f"sampler '{name}' needs more .* must be ancestral or ddim"
    ) as caught:
        find_step(name)
    assert "\n" not in str(caught.value)


def test_more_levels_than_diffusion_steps_are_refused() -> None:
    check_levels(10, 10)
    with pytest.raises(InputError, match="through 11 noise levels, but there are 10 diffusion steps"):
        check_levels(11, 10)


@pytest.mark.parametrize("treatment", [Treatment(), Treatment((("all", 2.0),))])
def test_a_networks_walk_from_noise_to_clean_is_its_sample(treatment: Treatment) -> None:
    """Guided by history too, bit for bit; with levels of their own frames come out otherwise."""
    process = diffusion_of(with_defaults(TINY), "2")
    sampler = WindowSampler(seeded_model(TINY), process, nullcontext, Conditioning(treatment, (0,)))
    x = torch.randn(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    here, draw = window(x, 1), noise_of(x.shape)
    draws = iter([x, draw(0), draw(1)])
    plain, _ = sampler.sample("ancestral", here, lambda: next(draws))
    made, finite = sampler.advance("ancestral", here, Walk(1, [[0, 1, 1]], [[0, 0, 0]]), draw)
    assert finite
    assert torch.equal(made[:, 1:], plain[:, 1:])
    mixed, finite = sampler.advance("ancestral", here, Walk(2, [[0, 1, 2]], [[0, 0, 1]]), draw)
    assert finite
    assert torch.equal(mixed[:, 0], x[:, 0])
    assert not torch.allclose(mixed[:, 1], plain[:, 1], atol=1e-3)


def test_levels_of_frames_go_with_the_frames_that_are_left_in_a_window() -> None:
    ladder, x = [CLEAN, *reversed(LEVELS)], torch.zeros(2, 3, 1, 1, 1)
    level = level_of([[1, 2, 3], [4, 5, 6]], ladder, x)
    part = level_at(level, torch.tensor([[1]]), torch.tensor([[0, 2]]))
    assert part.t.tolist() == [[ladder[4].t, ladder[6].t]]
    assert part.alpha.flatten().tolist() == pytest.approx([ladder[4].alpha, ladder[6].alpha])
    assert level_at(ladder[2], torch.tensor([[1]]), torch.tensor([[0, 2]])) is ladder[2]
