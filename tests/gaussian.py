"""A Gaussian target, for which all is known exactly: every value is N(MEAN, SPREAD²).

So the best estimate of x_0 is known, and so is where the probability flow takes any x:
(x - alpha MEAN) / sqrt(alpha² SPREAD² + sigma²) is constant along it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from viddiff.diffusion.denoiser import Estimate
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.process import diffusion_of
from viddiff.diffusion.sample import Conditioning, WindowSampler
from viddiff.diffusion.samplers.base import sampler as samplers
from viddiff.flat_config import with_defaults
from viddiff.precision import numerics
from viddiff.window import Window

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


RHO, HISTORY = 0.8, 0.5
PROCESS = diffusion_of(
    with_defaults({"diffusion_steps": 1000, "noise_schedule": "cosine", "predict_xstart": True}), "logsnr60"
)
LEVELS = {round(level.t): level for level in PROCESS.levels()}


class Correlated(torch.nn.Module):
    """The best network for windows of two frames of N(0, 1), correlated by RHO; it predicts x_0 of the second one.

    It knows how to read an observed frame that it is told is noisy.
    """

    def positions(self, _: Window) -> None: ...

    def forward(
        self, x_t: Tensor, t: Tensor, w: Window, _: None, observed_noise: Tensor | None = None
    ) -> Tensor:
        level, mean, variance = LEVELS[round(float(t[0]))], 0.0, 1.0
        if w.observed[:, 0].all():
            signal = RHO * (1.0 if observed_noise is None else math.sqrt(1.0 - float(observed_noise[0]) ** 2))
            mean, variance = signal * w.frames[:, :1], 1.0 - signal**2
        gain = variance * level.alpha / (variance * level.alpha**2 + level.sigma**2)
        return (mean + gain * (x_t[:, -1:] - level.alpha * mean)).expand(x_t.shape)


def sampled_second(sampler: str, conditioning: Conditioning, n: int) -> Tensor:
    """n samples of the second frame by `Correlated`, where the first one is HISTORY; the caller lets clamp be."""
    marks = torch.tensor([[True, False]]).expand(n, 2)
    frames = torch.full((n, 2, 1, 1, 1), HISTORY, dtype=torch.float64)
    window = Window(frames, torch.arange(2).expand(n, 2), marks, ~marks)
    generator = torch.Generator().manual_seed(0)
    how = WindowSampler(Correlated(), PROCESS, partial(numerics, "float32", "cpu"), conditioning)
    made, finite = how.sample(
        sampler, window, lambda: torch.randn(frames.shape, generator=generator, dtype=torch.float64)
    )
    assert finite
    return made[:, 1].flatten()
