"""A Gaussian target, for which all is known exactly: every value is N(MEAN, SPREAD²).

So the best estimate of x_0 is known, and so is where the probability flow takes any x:
(x - alpha MEAN) / sqrt(alpha² SPREAD² + sigma²) is constant along it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from viddiff.diffusion.denoiser import Estimate
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.samplers.base import sampler as samplers

MEAN, SPREAD = 0.3, 0.4
SAMPLERS = (*samplers.names(), "ddim-eta0.5", "ddim-eta1", "unipc-order3")  # with options


def gaussian(x_t: Tensor, level: Level, v: float | Tensor = -1.0) -> Estimate:
    gain = SPREAD**2 * level.alpha / (SPREAD**2 * level.alpha**2 + level.sigma**2)
    return Estimate(MEAN + gain * (x_t - level.alpha * MEAN), torch.as_tensor(v, dtype=x_t.dtype))


def standardised(x_t: Tensor, level: Level) -> Tensor:
    return (x_t - level.alpha * MEAN) / math.hypot(level.alpha * SPREAD, level.sigma)


def at(standard: Tensor, level: Level) -> Tensor:
    """What is standardised to that at a level."""
    return level.alpha * MEAN + math.hypot(level.alpha * SPREAD, level.sigma) * standard


def even_levels(n_steps: int) -> list[Level]:
    """alpha = cos(angle), sigma = sin(angle), at even angles from nearly pure noise down to one step above 0."""
    angles = np.linspace(0.0, 0.49 * math.pi, n_steps + 1)[:0:-1]
    return [Level(math.cos(angle), math.sin(angle), float(i)) for i, angle in enumerate(angles)]


def levels_between(n_steps: int, noisiest: float = -3.0, cleanest: float = 3.0) -> list[Level]:
    """Levels at even steps of log(alpha / sigma), from one to another whatever their number."""
    found = []
    for i, log_snr in enumerate(np.linspace(noisiest, cleanest, n_steps)):
        alpha = 1.0 / math.sqrt(1.0 + math.exp(-2.0 * log_snr))
        found.append(Level(alpha, alpha * math.exp(-log_snr), float(n_steps - i)))
    return found


def values(x: Tensor) -> Tensor:
    """Values as windows of one frame of one value."""
    return x[:, None, None, None, None]


def no_noise() -> Tensor:
    raise AssertionError("drew noise")


def generator_noise(n: int, seed: int = 0) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: values(torch.randn(n, generator=generator, dtype=torch.float64))
