"""DPM-Solver++: the probability flow, or its SDE, with the linear part solved exactly. Second order, multistep.

Both are exponential integrators in lambda = log(alpha / sigma) of the estimates of x_0. The second order comes from the
estimate of the level before; the first step has none, and the last one, to the clean frames, gives the last estimate.
They have no use for the estimates' v.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from viddiff.diffusion.denoiser import Denoise
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.diffusion.samplers.base import log_snr, sampler
from viddiff.window import Noise, WindowFrames


@sampler("dpm")
def dpm(denoise: Denoise, x: WindowFrames, levels: Sequence[Level], noise: Noise) -> WindowFrames:
    """DPM-Solver++(2M): Lu et al. 2022 (arXiv 2211.01095), algorithm 2. Second order; adds no noise."""
    before = None  # of the level before: it, and its estimate
    for level, lower in pairwise([*levels, CLEAN]):
        x_0 = denoise(x, level).x_0
        h = log_snr(lower) - log_snr(level)
        x = lower.sigma / level.sigma * x - lower.alpha * math.expm1(-h) * _towards(x_0, level, lower, before)
        before = level, x_0
    return x


@sampler("sde-dpm")
def sde_dpm(denoise: Denoise, x: WindowFrames, levels: Sequence[Level], noise: Noise) -> WindowFrames:
    """SDE-DPM-Solver++(2M): Lu et al. 2022 (arXiv 2211.01095), section 5.3 and appendix B.4.

    Its first step is ancestral sampling with the small variance. Second order in the estimates; draws noise at each
    step but the last.
    """
    before = None
    for level, lower in pairwise([*levels, CLEAN]):
        x_0 = denoise(x, level).x_0
        h = log_snr(lower) - log_snr(level)
        towards = _towards(x_0, level, lower, before)
        x = lower.sigma / level.sigma * math.exp(-h) * x - lower.alpha * math.expm1(-2.0 * h) * towards
        if lower is not CLEAN:
            x = x + lower.sigma * math.sqrt(-math.expm1(-2.0 * h)) * noise()
        before = level, x_0
    return x


def _towards(
    x_0: WindowFrames, level: Level, lower: Level, before: tuple[Level, WindowFrames] | None
) -> WindowFrames:
    """The estimate of x_0 in the middle of a step in lambda, from the last two.

    An estimate from frames without a signal, infinitely far away in lambda, says nothing of the slope.
    """
    if before is None or before[0].alpha == 0.0 or lower is CLEAN:
        return x_0
    ratio = (log_snr(level) - log_snr(before[0])) / (log_snr(lower) - log_snr(level))
    return x_0 + (x_0 - before[1]) / (2.0 * ratio)
