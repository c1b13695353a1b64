"""Guidance by history: the formula, what is seen in which evaluation, and samples of Gaussians that are known."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from gaussian import (
    HISTORY,
    RHO,
    SAMPLERS,
    SPREAD,
    even_levels,
    gaussian,
    generator_noise,
    sampled_second,
)
from seeded import TINY, seeded_model
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate, network_denoiser
from viddiff.diffusion.history import history_guided, part_of
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.process import diffusion_of
from viddiff.diffusion.sample import Conditioning
from viddiff.diffusion.samplers.base import find_sampler
from viddiff.diffusion.treatment import Treatment
from viddiff.flat_config import with_defaults
from viddiff.window import Window

LEVEL = Level(0.8, 0.6, 3.0)


def window(observed: list[list[bool]], latent: list[list[bool]] | None = None, size: int = 1) -> Window:
    marks = torch.tensor(observed)
    rows, frames = marks.shape
    made = ~marks if latent is None else torch.tensor(latent)
    content = torch.linspace(-0.9, 0.9, rows * frames * 3 * size**2).view(rows, frames, 3, size, size)
    return Window(content, torch.arange(frames).expand(rows, frames), marks, made)


def counting(w: Window) -> Denoise:
    """Estimates that tell how many frames are observed."""
    count = w.observed.sum(dim=1)[:, None, None, None, None]
    return lambda x_t, level: Estimate(x_t + count, -1.0 + 0.0 * x_t + count)


def test_parts_of_the_history() -> None:
    w = window([[True, True, True, False], [False, True, False, False], [False] * 4])
    w = replace(w, frame_index=torch.tensor([[7, 0, 9, 3], [5, 6, 7, 8], [0, 1, 2, 3]]))
    assert part_of(w, "all") is w.observed
    assert part_of(w, "newest").tolist() == [
        [True, False, True, False],
        [False, True, False, False],
        [False] * 4,
    ]
    given = part_of(w, "given", range(7)).tolist()
    assert given == [[False, True, False, False], [False, True, False, False], [False] * 4]
    assert not part_of(w, "given").any()


def test_the_formula_row_by_row() -> None:
    """Of a row that lacks a part, the others act; a row without history is not guided."""
    w = window([[True, True, True, False], [False, False, True, False], [False] * 4])
    x_t = torch.randn(w.frames.shape, generator=torch.Generator().manual_seed(0))
    weights = (("all", 2.0), ("given", 0.5), ("newest", 0.25))
    estimate = history_guided(counting, w, weights, true_frames=(0,))(x_t, LEVEL)
    shift = [2.0 * 3 + 0.5 * 1 + 0.25 * 2, 2.0 + 0.25, 0.0]
    expected = x_t + torch.tensor(shift)[:, None, None, None, None]
    torch.testing.assert_close(estimate.x_0[w.latent], expected[w.latent])
    torch.testing.assert_close(estimate.v[w.latent], counting(w)(x_t, LEVEL).v[w.latent])


@pytest.mark.parametrize(
    ("weights", "true_frames", "seen"),
    [
        ((("all", 2.0),), (), [0, 2]),
        ((("all", 2.0), ("given", 1.0)), (9,), [0, 2]),
        ((("all", 2.0), ("given", 1.0), ("newest", 1.0)), (0,), [0, 2, 1, 1]),
    ],
)
def test_each_part_is_one_evaluation_of_what_it_sees(weights, true_frames, seen) -> None:
    asked: list[Window] = []

    def denoiser(part: Window) -> Denoise:
        asked.append(part)
        return counting(part)

    w = window([[True, True, False]])
    history_guided(denoiser, w, weights, true_frames)
    assert [int(part.observed.sum()) for part in asked] == seen
    for part in asked:
        assert part.latent.sum() == 1 and bool((part.observed | part.latent).all())
        assert torch.equal(part.frames, w.frames[:, part.frame_index[0]])


def test_a_window_without_history_is_evaluated_once_as_it_is() -> None:
    w, asked = window([[False, False]]), []
    history_guided(lambda part: asked.append(part) or counting(part), w, (("all", 3.0),))
    assert len(asked) == 1 and asked[0] is w


def test_a_row_without_history_is_not_moved_by_rounding_either() -> None:
    """Kernels add in another order in batches of another size."""
    w = window([[True, False, False], [False] * 3])
    x_t = torch.zeros_like(w.frames)

    def rounding(part: Window) -> Denoise:
        return lambda x_t, level: Estimate(x_t + 0.25 * len(part.frames), -1.0 + 0.0 * x_t)

    made = history_guided(rounding, w, (("all", 2.0),))(x_t, LEVEL).x_0
    assert (made[1] == 0.25).all() and (made[0][1:] == 0.25 + 2 * 0.25).all()


def shifted(mean: float) -> Denoise:
    """The best estimates of N(mean, SPREAD^2)."""
    plain = partial(gaussian)
    return lambda x_t, level: Estimate(
        plain(x_t - level.alpha * (mean - 0.3), level).x_0 + (mean - 0.3), plain(x_t, level).v
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_where_the_history_moves_the_mean_the_weight_multiplies_the_move(sampler: str) -> None:
    """N(0.1, s^2) and, given the history, N(0.4, s^2): by any sampler, weight 3 makes N(1, s^2)."""
    n, levels = 4000, even_levels(60)
    w = Window(
        torch.zeros(n, 1, 1, 1, 1, dtype=torch.float64),
        torch.zeros(n, 1, dtype=torch.int64),
        torch.ones(n, 1, dtype=torch.bool),
        torch.ones(n, 1, dtype=torch.bool),
    )
    guided = history_guided(lambda part: shifted(0.4 if part.observed.any() else 0.1), w, (("all", 3.0),))
    noise = generator_noise(n)
    x = find_sampler(sampler)(guided, noise(), levels, noise)
    assert float(x.mean()) == pytest.approx(1.0, abs=4 * SPREAD / math.sqrt(n))
    assert float(x.std()) == pytest.approx(SPREAD, rel=0.06)


@pytest.mark.parametrize(("sampler", "weight"), [("heun", 0.5), ("heun", 2.0), ("dpm", 2.0)])
def test_samples_along_the_flow_have_the_spread_that_is_known(
    sampler: str, weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of y = x / alpha and s = sigma / alpha, dy/ds = s ((1 - w) y / (1 + s^2) + w (y - m) / (v + s^2)).

    So the standard deviation at s = 0 is v^(w / 2), and the mean is an integral.
    """
    monkeypatch.setattr(Tensor, "clamp", lambda tensor, *_: tensor)  # a Gaussian has no borders
    n = 2000
    made = sampled_second(sampler, Conditioning(Treatment((("all", weight),))), n)
    variance, mean = 1.0 - RHO**2, RHO * HISTORY
    s = np.linspace(0.0, 200.0, 400_001)
    scale = (1.0 + s**2) ** ((1.0 - weight) / 2) * (variance + s**2) ** (weight / 2)
    pull = weight * mean * s / (variance + s**2) / scale
    # What is left beyond s = 200 is the integral of w m / s^2.
    expected = variance ** (weight / 2) * (float(np.trapezoid(pull, s)) + weight * mean / 200.0)
    assert float(made.std()) == pytest.approx(variance ** (weight / 2), rel=0.06)
    assert float(made.mean()) == pytest.approx(expected, abs=4 * variance ** (weight / 2) / math.sqrt(n))


def test_the_network_without_history_does_not_see_it() -> None:
    network, diffusion = seeded_model(TINY), diffusion_of(with_defaults(TINY))
    w, level = window([[True, True, False, False]], size=32), diffusion.levels()[5]
    x_t = torch.randn(w.frames.shape, generator=torch.Generator().manual_seed(1))
    other = replace(w, frames=w.frames.flip(0).neg())
    noisier = x_t.clone()
    noisier[:, :2] += 1.0

    def estimates(part: Window, noisy: Tensor, weight: float) -> Tensor:
        denoiser = partial(network_denoiser, network, diffusion)
        with torch.no_grad():
            return history_guided(denoiser, part, (("all", weight),))(noisy, level).x_0[:, 2:]

    plain, nothing = estimates(w, x_t, 1.0), estimates(w, x_t, 0.0)
    with torch.no_grad():
        torch.testing.assert_close(plain, network_denoiser(network, diffusion, w)(x_t, level).x_0[:, 2:])
    assert torch.equal(estimates(other, noisier, 0.0), nothing)
    assert not torch.allclose(plain, nothing, rtol=0.1)
    alone = Window(w.frames[:, 2:], w.frame_index[:, 2:], w.observed[:, 2:], w.latent[:, 2:])
    with torch.no_grad():
        assert torch.equal(network_denoiser(network, diffusion, alone)(x_t[:, 2:], level).x_0, nothing)
    torch.testing.assert_close(estimates(w, x_t, 2.0), 2 * plain - nothing)
