"""Denoising diffusion implicit models."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.diffusion.samplers.base import sampler, sampler_step
from viddiff.window import Noise, WindowFrames


@sampler("ddim", options={"eta": {"default": 0.0, "range": (0.0, 1.0)}})
def ddim(
    denoise: Denoise, x: WindowFrames, levels: Sequence[Level], noise: Noise, *, eta: float = 0.0
) -> WindowFrames:
    """Denoising diffusion implicit model: Song et al. 2021 (arXiv 2010.02502), eqs. 12 and 16.

    First order. `eta` 0 adds no noise; `eta` 1 is ancestral sampling with the small variance. It takes the place of
    the estimates' v. Above 0 it draws noise at each step but the last.
    """
    for level, lower in pairwise([*levels, CLEAN]):
        x = ddim_step(x, denoise(x, level), level, lower, noise, eta=eta)
    return x


@sampler_step("ddim")
def ddim_step(
    x: Tensor,
    estimate: Estimate,
    level: Level,
    lower: Level,
    noise: Callable[[], Tensor],
    *,
    eta: float = 0.0,
) -> Tensor:
    """Song et al. 2021, eqs. 12 and 16, from a level to a lower one."""
    eps = (x - level.alpha * estimate.x_0) / level.sigma
    beta = 1.0 - (level.alpha / lower.alpha) ** 2
    spread = eta * lower.sigma / level.sigma * math.sqrt(beta)
    x = lower.alpha * estimate.x_0 + math.sqrt(lower.sigma**2 - spread**2) * eps
    return x + spread * noise() if spread > 0.0 else x
