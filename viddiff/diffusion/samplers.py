"""Samplers: pure functions from noise and a denoiser to clean frames.

Each takes the noise levels from the noisiest on and walks down to x_0. To add one, write a function with
the same signature here, with the decorator `@sampler("<name>")`: the name becomes part of the checkpoint folder's
(`ema_0.9999_400000_ddim`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.registry import Registry
from viddiff.window import Noise, WindowFrames

Sampler = Callable[..., WindowFrames]

sampler: Registry[Sampler] = Registry("sampler", __name__)


@sampler("ancestral")
def ancestral(denoise: Denoise, x: WindowFrames, levels: Sequence[Level], noise: Noise) -> WindowFrames:
    """Sample every reverse transition: Ho et al. 2020 (arXiv 2006.11239), algorithm 2."""
    for level, lower in pairwise([*levels, CLEAN]):
        mean, log_variance = reverse_transition(x, denoise(x, level), level, lower)
        x = mean if lower is CLEAN else mean + torch.exp(0.5 * log_variance) * noise()
    return x


@sampler("ddim")
def ddim(
    denoise: Denoise, x: WindowFrames, levels: Sequence[Level], noise: Noise, *, eta: float = 0.0
) -> WindowFrames:
    """Denoising diffusion implicit model: Song et al. 2021 (arXiv 2010.02502), eqs. 12 and 16.

    First order. `eta` 0 adds no noise; `eta` 1 is ancestral sampling with the small variance. It takes the place of
    the estimates' v.
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


def reverse_transition(
    x_t: WindowFrames, estimate: Estimate, level: Level, lower: Level
) -> tuple[WindowFrames, WindowFrames | Float[Tensor, ""]]:
    """Mean and log variance of `p(x_s | x_t)` from a level to the next lower one: Ho et al. 2020, eq. 7.

    The last transition, to the clean frames, adds no noise: there the log variance is minus infinity.
    """
    ratio = level.alpha / lower.alpha
    beta = 1.0 - ratio**2
    mean = (beta * lower.alpha * estimate.x_0 + lower.sigma**2 * ratio * x_t) / level.sigma**2
    if lower is CLEAN:
        return mean, x_t.new_full((), -math.inf)
    large, small = math.log(beta), math.log(beta * lower.sigma**2 / level.sigma**2)
    share = (estimate.v + 1.0) / 2.0
    return mean, share * large + (1.0 - share) * small
