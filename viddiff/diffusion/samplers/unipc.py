"""UniPC: a predictor and a corrector of the same order, which share their network evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from viddiff.diffusion.denoiser import Denoise
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.diffusion.samplers.base import log_snr, sampler
from viddiff.window import Noise, WindowFrames

Known = Sequence[tuple[Level, WindowFrames]]


@sampler("unipc", options={"order": {"default": 2, "among": (2, 3)}})
def unipc(
    denoise: Denoise, x: WindowFrames, levels: Sequence[Level], noise: Noise, *, order: int = 2
) -> WindowFrames:
    """UniPC with B_2(h) = e^h - 1 on estimates of x_0: Zhao et al. 2023 (arXiv 2302.04867), section 3.

    One evaluation for each level: of the predicted frames, it corrects these and predicts the next ones. Adds no noise,
    and has no use for the estimates' v. The first steps have few estimates behind them, and the last ones use fewer,
    which is more stable: their orders are lower. Nothing corrects the last prediction.
    """
    used: Known = []  # the last levels with their estimates, those of the step that led here
    start = x
    for number, (level, lower) in enumerate(zip(levels, [*levels[1:], CLEAN], strict=True)):
        x_0 = denoise(x, level).x_0
        if used:
            x = _step(start, used, level, x_0)
        # Infinitely far away in lambda, an estimate from frames without a signal says nothing of the slope.
        used = [*(pair for pair in used if pair[0].alpha > 0.0), (level, x_0)][
            -min(order, len(levels) - number) :
        ]
        start = x
        x = _step(start, used, lower)
    return x


def _step(x: WindowFrames, used: Known, lower: Level, x_0: WindowFrames | None = None) -> WindowFrames:
    """From the last of the used levels to a lower one: the corrector if x_0 is known there, else the predictor."""
    (level, newest), older = used[-1], used[-2::-1]
    h = log_snr(lower) - log_snr(level)
    ratios = [(log_snr(other) - log_snr(level)) / h for other, _ in older]
    slopes = [(estimate - newest) / ratio for (_, estimate), ratio in zip(older, ratios, strict=True)]
    if x_0 is not None:
        ratios.append(1.0)
        slopes.append(x_0 - newest)
    towards = newest
    for weight, slope in zip(_weights(ratios, h), slopes, strict=True):
        towards = towards + weight * slope
    return lower.sigma / level.sigma * x - lower.alpha * math.expm1(-h) * towards


def _weights(ratios: Sequence[float], h: float) -> list[float]:
    """Of the slopes, by the conditions of the order; one slope gets 1/2, which is of second order as well."""
    if len(ratios) < 2:
        return [0.5] * len(ratios)
    base, factorial = math.expm1(-h), 1
    phi, wanted = base / -h - 1.0, []
    for i in range(1, len(ratios) + 1):
        factorial *= i
        wanted.append(phi * factorial / base)
        phi = phi / -h - 1.0 / (factorial * (i + 1))
    powers = np.vander(np.asarray(ratios), increasing=True).T
    return [float(weight) for weight in np.linalg.solve(powers, wanted)]
