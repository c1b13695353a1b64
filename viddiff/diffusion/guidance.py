"""Reconstruction guidance: Ho et al. 2022, *Video Diffusion Models* (arXiv 2204.03458), section 3.1.

The network makes all frames of a window, as if none were observed. Its estimate is then moved to where its
reconstruction of the observed frames is better (eq. 7):

    x_0 - w alpha_t / 2 · ∇_{x_t} ‖observed frames - their estimates‖²
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate
from viddiff.diffusion.noise_schedule import Level
from viddiff.window import Window


def all_latent(window: Window) -> Window:
    """The window with its observed frames marked as latent."""
    return replace(window, observed=torch.zeros_like(window.observed), latent=window.observed | window.latent)


def guided(denoise: Denoise, window: Window, weight: float) -> Denoise:
    """The denoiser whose estimates are drawn to the window's observed frames: eq. 7, for all frames.

    denoise: of the window with all frames latent, see `all_latent`; it must let gradients through to x_t. Each
    row of the batch is guided by its own frames. weight: w of the equation; 1 is Bayes' rule for estimates
    that are uncertain by sigma / alpha, more pulls harder, 0 ignores what is observed.

    Estimates lie in any range. They carry no gradient, and parameters get none.
    """
    observed = window.observed[:, :, None, None, None]
    if not bool(observed.any()):
        return denoise

    def guided_denoise(x_t: Tensor, level: Level) -> Estimate:
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            x_0, v = denoise(x_t, level)
            error = (x_0 - window.frames).where(observed, 0.0).square().sum()
            (gradient,) = torch.autograd.grad(error, x_t)
        return Estimate(x_0.detach() - 0.5 * weight * level.alpha * gradient, v.detach())

    return guided_denoise
