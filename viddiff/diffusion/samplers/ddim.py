"""Denoising diffusion implicit models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from viddiff.diffusion.denoiser import Denoise
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.diffusion.samplers.base import sampler
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
        x_0 = denoise(x, level).x_0
        eps = (x - level.alpha * x_0) / level.sigma
        beta = 1.0 - (level.alpha / lower.alpha) ** 2
        spread = eta * lower.sigma / level.sigma * math.sqrt(beta)
        x = lower.alpha * x_0 + math.sqrt(lower.sigma**2 - spread**2) * eps
        if spread > 0.0:
            x = x + spread * noise()
    return x
