"""Reconstruction guidance: Ho et al. 2022, *Video Diffusion Models* (arXiv 2204.03458), section 3.1.

The network makes all frames of a window, as if none were observed. Its estimate is then moved to where its
reconstruction of the observed frames is better (eq. 7):

    x_0 - w alpha_t / 2 · ∇_{x_t} ‖observed frames - their estimates‖²

The original code of Harvey et al. 2022 moves the mean of each reverse transition by as much, not the estimate. In
that mean x_0 has a weight that is smaller the more diffusion steps there are, so with many it pulls harder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.window import Window


def all_latent(window: Window) -> Window:
    """The window with its observed frames marked as latent."""
    return replace(window, observed=torch.zeros_like(window.observed), latent=window.observed | window.latent)


def guided(
    denoise: Denoise, window: Window, weight: float, mean_of: Sequence[Level] | None = None
) -> Denoise:
    """The denoiser whose estimates are drawn to the window's observed frames: eq. 7, for all frames.

    denoise: of the window with all frames latent, see `all_latent`; it must let gradients through to x_t. Each
    row of the batch is guided by its own frames. weight: w of the equation; 1 is Bayes' rule for estimates
    that are uncertain by sigma / alpha, more pulls harder, 0 ignores what is observed. mean_of: if given, all levels of
    ancestral sampling, the noisiest first: the mean of each transition moves by as much instead, as in the original.

    Estimates lie in any range. They carry no gradient, and parameters get none.
    """
    observed = window.observed[:, :, None, None, None]
    if not bool(observed.any()):
        return denoise
    shares = None if mean_of is None else _shares(mean_of)

    def guided_denoise(x_t: Tensor, level: Level) -> Estimate:
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            x_0, v = denoise(x_t, level)
            error = (x_0 - window.frames).where(observed, 0.0).square().sum()
            (gradient,) = torch.autograd.grad(error, x_t)
        shift = 0.5 * weight * level.alpha * gradient
        return Estimate(x_0.detach() - (shift if shares is None else shift / shares[level]), v.detach())

    return guided_denoise


def _shares(levels: Sequence[Level]) -> dict[Level, float]:
    """The weight of x_0 in the mean of the reverse transition from each level: Ho et al. 2020, eq. 7."""
    return {
        level: (1.0 - (level.alpha / lower.alpha) ** 2) * lower.alpha / level.sigma**2
        for level, lower in pairwise([*levels, CLEAN])
    }
