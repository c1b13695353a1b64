"""The variational bound: recorded terms, a Gaussian whose bits are known, and what it may not depend on."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from seeded import recorded, seeded_noise
from torch import Tensor
from torch.distributions import Normal

from viddiff.diffusion.elbo import window_bound
from viddiff.diffusion.process import Diffusion, diffusion_of
from viddiff.errors import InputError
from viddiff.flat_config import DEFAULTS, with_defaults
from viddiff.video import to_model
from viddiff.window import Window

MEAN, SPREAD = 0.1, 0.25


@pytest.mark.parametrize(("name", "row"), [("seed_default", 1), ("seed_xstart_cosine_nopad", 0)])
def test_terms_are_the_recorded_ones(name: str, row: int) -> None:
    """The original at first divides by all frames of the window. The second window has padding."""
    r = recorded(name)
    diffusion = diffusion_of(with_defaults(r.config))
    draws = seeded_noise(int(r.results["elbo_noise_seed"]), (diffusion.n_steps, *r.x_t.shape))[:, row]
    window = Window(*(getattr(r.window, field.name)[row : row + 1] for field in fields(Window)))
    bound = window_bound(r.model, diffusion, window, draws.__getitem__, 8)

    def check(found: np.ndarray | float, term: str, rtol: float, atol: float = 0.0) -> None:
        wanted = np.float64(r.results[f"elbo_{term}"][row]) * window.frames.shape[1]
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)

    check(bound.vb, "vb", 1e-5, atol=5e-7)  # a divergence is a difference of float32 numbers near 1
    check(bound.xstart_mse, "xstart_mse", 1e-5)
    check(bound.mse, "mse", 1e-4)  # the original takes a difference in float32
    check(bound.prior, "prior_bpd", 1e-6)
    check(bound.total, "total_bpd", 1e-6)


def process(**config: object) -> Diffusion:
    return diffusion_of(DEFAULTS | {"predict_xstart": True, "noise_schedule": "cosine", **config})


def gaussian_window(observed: int = 1) -> Window:
    """A window of 8-bit frames whose latent values come from N(MEAN, SPREAD²)."""
    generator = torch.Generator().manual_seed(0)
    values = MEAN + SPREAD * torch.randn(1, 3, 3, 16, 16, generator=generator)
    frames = to_model(torch.round((values.clamp(-1, 1) + 1) * 127.5).to(torch.uint8))
    mask = torch.arange(3)[None] < observed
    return Window(frames, torch.arange(3)[None], mask, ~mask)


class Gaussian:
    """The best estimate of x_0 in N(MEAN, SPREAD²); with `v` also a place of the variance."""

    def __init__(self, diffusion: Diffusion, v: float | None = None) -> None:
        self.alpha_bar = torch.from_numpy(diffusion.schedule.alpha_bar)
        self.network_time = diffusion.network_time(torch.arange(diffusion.n_steps))
        self.v, self.batches = v, []

    def positions(self, _: Window) -> None: ...

    def __call__(self, x_t: Tensor, t: Tensor, window: Window, positions: None = None) -> Tensor:
        assert len(window.frames) == len(window.latent) == len(x_t)
        self.batches.append(len(x_t))
        alpha_bar = self.alpha_bar[torch.searchsorted(self.network_time, t)].float()[
            :, None, None, None, None
        ]
        gain = SPREAD**2 * alpha_bar.sqrt() / (SPREAD**2 * alpha_bar + 1 - alpha_bar)
        x_0 = MEAN + gain * (x_t - alpha_bar.sqrt() * MEAN)
        return x_0 if self.v is None else torch.cat([x_0, torch.full_like(x_0, self.v)], dim=2)


def step_noise(window: Window, seed: int = 0):
    return lambda step: torch.randn(
        window.frames.shape[1:], generator=torch.Generator().manual_seed(1000 * seed + step)
    )


@pytest.mark.parametrize(("sigma_small", "most"), [(False, 1.05), (True, 1.12)])
def test_a_gaussian_needs_its_entropy(sigma_small: bool, most: float) -> None:
    """The bound is above the exact bits of these frames, and not far with many steps.

    The large variance is the better one for values that spread.
    """
    diffusion, window = process(diffusion_steps=1000, sigma_small=sigma_small), gaussian_window()
    x_0 = window.frames[:, 1:].double()
    normal = Normal(torch.tensor(MEAN).double(), torch.tensor(SPREAD).double())
    exact = -(normal.cdf(x_0 + 1 / 255) - normal.cdf(x_0 - 1 / 255)).log2().mean()
    bound = window_bound(Gaussian(diffusion), diffusion, window, step_noise(window), 250)
    assert 0.98 * exact < bound.total / 2 < most * exact
    assert bound.vb.min() > 0 and bound.prior > 0


def test_more_steps_or_rows_at_once_change_nothing() -> None:
    diffusion, window = process(diffusion_steps=10), gaussian_window()
    bounds = []
    for batch_size, batches in ((1, [1] * 10), (4, [4, 4, 2]), (99, [10])):
        model = Gaussian(diffusion)
        bounds.append(window_bound(model, diffusion, window, step_noise(window), batch_size))
        assert model.batches == batches
    for bound in bounds[1:]:
        for term in ("prior", "vb", "xstart_mse", "mse"):
            np.testing.assert_allclose(getattr(bound, term), getattr(bounds[0], term), rtol=1e-6)


def test_latent_frames_alone_count() -> None:
    """A window's sum is that of its latent frames: padding and observed frames, whatever they hold, add nothing."""
    diffusion, window = process(diffusion_steps=8), gaussian_window()

    def total(w: Window) -> float:
        return window_bound(Gaussian(diffusion), diffusion, w, step_noise(window), 8).total

    one, two = (torch.tensor([latent]) for latent in ([False, True, False], [False, False, True]))
    parts = [total(replace(window, latent=mask)) for mask in (one, two)]
    assert total(window) == pytest.approx(sum(parts), rel=1e-9)
    frames = window.frames.clone()
    frames[:, 0] = 1.0
    assert total(replace(window, frames=frames)) == total(window)


def test_a_learned_variance_between_the_two_counts() -> None:
    window = gaussian_window()
    fixed = process(diffusion_steps=8, sigma_small=True)
    learned = replace(fixed, variance="learned")
    noise = step_noise(window)
    small = window_bound(Gaussian(fixed), fixed, window, noise, 8)
    same = window_bound(Gaussian(fixed, v=-1.0), learned, window, noise, 8)
    other = window_bound(Gaussian(fixed, v=0.5), learned, window, noise, 8)
    np.testing.assert_allclose(same.vb, small.vb, rtol=1e-5)
    assert (other.vb != small.vb).all()
    np.testing.assert_array_equal(other.xstart_mse, small.xstart_mse)


def test_errors_of_the_noise_follow_from_those_of_the_frames() -> None:
    diffusion, window = process(diffusion_steps=8), gaussian_window()
    bound = window_bound(Gaussian(diffusion), diffusion, window, step_noise(window), 8)
    alpha_bar = diffusion.schedule.alpha_bar[::-1]
    np.testing.assert_allclose(bound.mse, bound.xstart_mse * alpha_bar / (1 - alpha_bar))


def test_one_diffusion_step_has_no_bound() -> None:
    diffusion, window = process(diffusion_steps=1), gaussian_window()
    with pytest.raises(InputError, match="2 diffusion steps or more"):
        window_bound(Gaussian(diffusion), diffusion, window, step_noise(window), 8)
