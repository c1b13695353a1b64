"""Resampling inside a stage: the frames that were made get noise again, and are made anew from there.

Lugmayr et al. 2022, *RePaint* (arXiv 2201.09865), section 4.2, goes up some levels now and then on the way down. Here
the way down ends first, so that every sampler can do it, also those that remember levels before: of RePaint's jumps, it
is the one from the clean frames. Where the network's estimates are exact, frames keep their distribution.
"""

from __future__ import annotations

from collections.abc import Sequence

from viddiff.diffusion.denoiser import Denoise, add_noise
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.samplers.base import Sampler
from viddiff.window import Noise, WindowFrames


def resampled(sampler: Sampler, times: int, back: int) -> Sampler:
    """The sampler, which then goes `back` of the levels up and down again, so many times.

    RePaint, algorithm 1, line 10: up by `x_t = alpha x_0 + sigma eps`.
    """

    def sample(denoise: Denoise, x: WindowFrames, levels: Sequence[Level], noise: Noise) -> WindowFrames:
        x, last = sampler(denoise, x, levels, noise), levels[-back:]
        for _ in range(times):
            noisy = add_noise(x, noise(), last[0].alpha, last[0].sigma)
            x = sampler(denoise, noisy, last, noise)
        return x

    return sample
