"""Reconstruction guidance: the formula on a linear denoiser, and samples of a Gaussian whose posterior is known."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from seeded import recorded
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate, clipped, network_denoiser
from viddiff.diffusion.guidance import all_latent, guided
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.diffusion.process import diffusion_of
from viddiff.diffusion.sample import Conditioning
from viddiff.diffusion.samplers.ancestral import reverse_transition
from viddiff.diffusion.samplers.base import sampler as samplers
from viddiff.flat_config import DEFAULTS, with_defaults
from viddiff.video_model import VideoModel
from viddiff.window import Window

LEVEL = Level(0.8, 0.6, 3.0)


def window(frames: Tensor, observed: list[bool]) -> Window:
    mask = torch.tensor(observed).expand(frames.shape[:2])
    return Window(frames, torch.arange(len(observed)).expand(frames.shape[:2]), mask, ~mask)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(matrix: Tensor) -> Denoise:
    """Mixes the frames of a window."""
    return lambda x_t, level: Estimate(torch.einsum("kl,blchw->bkchw", matrix, x_t), -1.0 + 0.0 * x_t)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_a_linear_denoiser_is_shifted_by_the_formula(weight: float) -> None:
    matrix, x_t, frames = draw(4, 4, seed=1), draw(2, 4, 3, 2, 2, seed=2), draw(2, 4, 3, 2, 2, seed=3)
    mask = torch.tensor([True, False, True, False])
    w = window(frames, mask.tolist())
    estimate = guided(linear(matrix), w, weight)(x_t, LEVEL)
    plain = torch.einsum("kl,blchw->bkchw", matrix, x_t)
    # ∇ ‖mask (A x - frames)‖² = 2 Aᵀ mask (A x - frames)
    miss = (plain - frames) * mask[:, None, None, None]
    expected = plain - weight * LEVEL.alpha * torch.einsum("kl,bkchw->blchw", matrix, miss)
    torch.testing.assert_close(estimate.x_0, expected)
    assert (estimate.v == -1.0).all()
    assert not estimate.x_0.requires_grad and not estimate.v.requires_grad


def test_the_originals_moves_the_mean_of_each_transition() -> None:
    """By w sqrt(alpha_bar) / 2 times the gradient, whatever the level; at the last step both are one."""
    levels = diffusion_of(DEFAULTS | {"diffusion_steps": 20, "noise_schedule": "cosine"}).levels()
    matrix, x_t, frames = draw(3, 3, seed=1), draw(1, 3, 1, 2, 2, seed=2), draw(1, 3, 1, 2, 2, seed=3)
    w = window(frames, [True, False, False])
    miss = (linear(matrix)(x_t, LEVEL).x_0 - frames) * torch.tensor([1.0, 0.0, 0.0])[:, None, None, None]
    gradient = 2.0 * torch.einsum("kl,bkchw->blchw", matrix, miss)
    for level, lower in pairwise([*levels, CLEAN]):
        moved = [
            reverse_transition(x_t, denoise(x_t, level), level, lower)[0]
            for denoise in (linear(matrix), guided(linear(matrix), w, 1.5, levels))
        ]
        torch.testing.assert_close(moved[1] - moved[0], -1.5 * level.alpha / 2.0 * gradient)
    by_estimate = guided(linear(matrix), w, 1.5)(x_t, levels[-1]).x_0
    torch.testing.assert_close(guided(linear(matrix), w, 1.5, levels)(x_t, levels[-1]).x_0, by_estimate)


def test_samples_by_the_originals_have_the_moments_that_follow_from_it() -> None:
    """Of a Gaussian each transition is linear, so mean and covariance are carried from level to level exactly."""
    levels = diffusion_of(DEFAULTS | {"diffusion_steps": 30, "noise_schedule": "cosine"}).levels()
    w, small = (
        window(torch.full((n, 3, 1, 1, 1), 0.5, dtype=torch.float64), [True, False, False]) for n in (4000, 4)
    )
    denoise = guided(gaussian, w, 0.3, levels)
    mean, covariance = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)

    def transition(x: Tensor, level: Level, lower: Level) -> tuple[Tensor, Tensor]:
        found = reverse_transition(x, guided(gaussian, small, 0.3, levels)(x, level), level, lower)
        return found[0].view(4, 3), found[1]

    points = torch.cat([torch.zeros(1, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)])
    for level, lower in pairwise([*levels, CLEAN]):
        made, log_variance = transition(points.view(4, 3, 1, 1, 1), level, lower)
        matrix = (made[1:] - made[0]).T
        mean = matrix @ mean + made[0]
        covariance = matrix @ covariance @ matrix.T + torch.eye(3) * torch.exp(log_variance.mean())
    generator = torch.Generator().manual_seed(0)

    def noise() -> Tensor:
        return torch.randn(w.frames.shape, generator=generator, dtype=torch.float64)

    x = samplers.find("ancestral")(denoise, noise(), levels, noise).view(-1, 3)
    spread = covariance.diagonal().sqrt()
    assert ((x.mean(dim=0) - mean).abs() < 4 * spread / math.sqrt(len(x))).all()
    torch.testing.assert_close(x.std(dim=0), spread, atol=0, rtol=0.06)


def test_rows_are_guided_by_their_own_frames() -> None:
    matrix, x_t, frames = draw(3, 3, seed=1), draw(2, 3, 1, 2, 2, seed=2), draw(2, 3, 1, 2, 2, seed=3)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    w = replace(window(frames, [True, True, False]), observed=mask, latent=~mask)
    both = guided(linear(matrix), w, 1.0)(x_t, LEVEL).x_0
    alone = guided(linear(matrix), window(frames[:1], [True, True, False]), 1.0)(x_t[:1], LEVEL).x_0
    torch.testing.assert_close(both[:1], alone)
    torch.testing.assert_close(both[1:], linear(matrix)(x_t, LEVEL).x_0[1:])


def test_a_window_without_observed_frames_is_not_guided() -> None:
    denoise = linear(draw(3, 3))
    assert guided(denoise, window(draw(1, 3, 1, 2, 2), [False] * 3), 1.0) is denoise


# Frames of a Gaussian video: each value is N(0, 1), neighbours correlate; so is the best estimate known.
COVARIANCE = torch.tensor([[0.9 ** abs(i - j) for j in range(3)] for i in range(3)], dtype=torch.float64)


def gaussian(x_t: Tensor, level: Level) -> Estimate:
    noisy = level.alpha**2 * COVARIANCE + level.sigma**2 * torch.eye(3, dtype=torch.float64)
    return linear(level.alpha * COVARIANCE @ torch.linalg.inv(noisy))(x_t, level)


@pytest.mark.parametrize("sampler", samplers.names())
def test_samples_are_drawn_to_the_observed_frame_and_what_follows_from_it(sampler: str) -> None:
    levels = diffusion_of(DEFAULTS | {"diffusion_steps": 100, "noise_schedule": "cosine"}).levels()
    w = window(torch.full((400, 3, 1, 1, 1), 1.5, dtype=torch.float64), [True, False, False])
    generator = torch.Generator().manual_seed(0)

    def noise() -> Tensor:
        return torch.randn(w.frames.shape, generator=generator, dtype=torch.float64)

    means = {}
    for weight in (0.0, 1.0):
        x = samplers.find(sampler)(guided(gaussian, w, weight), noise(), levels, noise)
        means[weight] = x.mean(dim=0).flatten()
    # Of 400 samples: give or take 0.05.
    assert means[0.0].abs().max() < 0.2
    assert abs(means[1.0][0] - 1.5) < 0.01
    # Given the first frame, the others' means are 1.5 times their correlation: they go part of the way.
    expected = 1.5 * COVARIANCE[0, 1:]
    assert (means[1.0][1:] > expected / 4).all() and (means[1.0][1:] < expected + 0.2).all()


def test_at_small_noise_the_weight_of_one_is_bayes_rule() -> None:
    """To first order in sigma², the estimate given a noisy observation is the exact posterior mean."""
    alpha, sigma = math.sqrt(1 - 1e-4), 1e-2
    level = Level(alpha, sigma, 0.0)
    x_t, frames = draw(1, 3, 1, 1, 1, seed=4), draw(1, 3, 1, 1, 1, seed=5)
    estimate = guided(gaussian, window(frames, [True, False, False]), 1.0)(x_t, level).x_0.flatten()
    # Observed: x_0[0] + N(0, (sigma / alpha)²), beside x_t.
    precision = torch.linalg.inv(COVARIANCE) + alpha**2 / sigma**2 * torch.eye(3, dtype=torch.float64)
    plain = gaussian(x_t, level).x_0.flatten()
    pull = torch.linalg.inv(precision)[:, 0] * alpha**2 / sigma**2 * (frames.flatten()[0] - plain[0])
    shift = estimate - plain
    torch.testing.assert_close(shift, pull, atol=0, rtol=2e-2)


def test_the_network_sees_no_observed_frame_and_its_parameters_get_no_gradient() -> None:
    r = recorded("seed_default")
    diffusion, x_t = diffusion_of(with_defaults(r.config)), r.x_t[:1]
    w = Window(*(getattr(r.window, field.name)[:1] for field in fields(Window)))
    level, free = diffusion.levels()[-8], all_latent(w)
    assert torch.equal(free.latent, w.observed | w.latent) and not free.observed.any()
    denoise = clipped(network_denoiser(r.model, diffusion, free))
    blind = clipped(network_denoiser(r.model, diffusion, replace(free, frames=torch.zeros_like(free.frames))))
    with torch.no_grad():
        plain = blind(x_t, level).x_0
        assert torch.equal(denoise(x_t, level).x_0, plain)
        estimate = guided(denoise, w, 1.0)(x_t, level).x_0
    assert (estimate - plain).abs().max() > 1e-3
    assert not estimate.requires_grad
    assert all(parameter.requires_grad and parameter.grad is None for parameter in r.model.parameters())


class Mixing(torch.nn.Module):
    """A network that says the mean of the frames that it sees, and notes which it is told are observed."""

    observed = None

    def positions(self, _: Window) -> None: ...

    def forward(self, x_t: Tensor, t: Tensor, window: Window, _: None) -> Tensor:
        self.observed = window.observed
        return window.frames.where(window.observed[:, :, None, None, None], x_t).mean(1, True).expand_as(x_t)


@pytest.mark.parametrize("sampler", samplers.names())
def test_the_networks_sampler_is_guided_if_told(sampler: str) -> None:
    diffusion = diffusion_of(DEFAULTS | {"predict_xstart": True}, "10")
    w = window(torch.full((1, 3, 3, 2, 2), 0.5), [True, False, False])
    network, made = Mixing(), {}
    for weight in (None, 0.0, 1.0):
        generator = torch.Generator().manual_seed(0)
        model = VideoModel(
            Path(), 0, "", DEFAULTS, network, diffusion, sampler, "", torch.device("cpu"), "float32"
        )
        made[weight] = model.sample_window(
            w,
            lambda g=generator: torch.randn(w.frames.shape, generator=g),
            Conditioning(guidance_weight=weight),
        )
        assert made[weight].is_inference() == (weight is None)
        assert network.observed[0, 0] == (weight is None)
    miss = {weight: float((x - w.frames)[:, 0].square().mean()) for weight, x in made.items()}
    assert miss[1.0] < 0.6 * miss[0.0]
    assert made[1.0].abs().max() <= 1.0
