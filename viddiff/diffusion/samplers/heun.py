"""Heun's method on the probability flow, with two evaluations for each level but the last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from viddiff.diffusion.denoiser import Denoise
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.diffusion.samplers.base import sampler
from viddiff.window import Noise, WindowFrames


@sampler("heun", per_level=2)
def heun(denoise: Denoise, x: WindowFrames, levels: Sequence[Level], noise: Noise) -> WindowFrames:
    """Karras et al. 2022 (arXiv 2206.00364), algorithm 1: dy = eps ds, for y = x / alpha and s = sigma / alpha.

    Second order; adds no noise, and has no use for the estimates' v. Each step is Euler's, which is DDIM's, and then
    half of what eps changes until the step's end. Written for estimates of x_0, for these are clipped: where x is
    Euler's, `alpha (s - s') (eps - eps') / 2 = alpha' (s / s' - 1) (x_0' - x_0) / 2`.

    From frames without a signal s is infinite. There Heun's method is used on the same flow in 1 / s, whose slope is
    x_0: `alpha' (1 - s' / s) (x_0' - x_0) / 2`.
    """
    for level, lower in pairwise([*levels, CLEAN]):
        x_0 = denoise(x, level).x_0
        eps = (x - level.alpha * x_0) / level.sigma
        x = lower.alpha * x_0 + lower.sigma * eps
        if lower is not CLEAN:
            share = (
                1.0 if level.alpha == 0.0 else level.sigma * lower.alpha / (level.alpha * lower.sigma) - 1.0
            )
            x = x + 0.5 * share * lower.alpha * (denoise(x, lower).x_0 - x_0)
    return x
