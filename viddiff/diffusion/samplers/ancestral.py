"""Ancestral sampling, and the reverse transitions that it draws from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.diffusion.samplers.base import sampler, sampler_step
from viddiff.window import Noise, WindowFrames


@sampler("ancestral")
def ancestral(denoise: Denoise, x: WindowFrames, levels: Sequence[Level], noise: Noise) -> WindowFrames:
    """Sample every reverse transition: Ho et al. 2020 (arXiv 2006.11239), algorithm 2. First order.

    Draws noise at each step but the last. The estimates' v is the place of its variance.
    """
    for level, lower in pairwise([*levels, CLEAN]):
        x = ancestral_step(x, denoise(x, level), level, lower, noise)
    return x


@sampler_step("ancestral")
def ancestral_step(
    x: Tensor, estimate: Estimate, level: Level, lower: Level, noise: Callable[[], Tensor]
) -> Tensor:
    """A draw of `p(x_s | x_t)`, from a level to a lower one; the mean if that is clean."""
    mean, log_variance = reverse_transition(x, estimate, level, lower)
    return mean if lower is CLEAN else mean + torch.exp(0.5 * log_variance) * noise()


def reverse_transition(
    x_t: Float[Tensor, "*N C H W"], estimate: Estimate, level: Level, lower: Level
) -> tuple[Float[Tensor, "*N C H W"], Float[Tensor, " ..."]]:
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
