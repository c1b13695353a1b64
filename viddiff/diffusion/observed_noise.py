"""Noise on observed frames, of which a network can be told: in training, and in modes `noisy-<level>-…`.

Ho et al. 2022 (arXiv 2106.15282), section 4.2, conditioning augmentation; for long videos Valevski et al. 2024 (arXiv
2408.14837): small faults of frames that were made drown in the noise, so that they do not add up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from viddiff.diffusion.denoiser import add_noise
from viddiff.window import Window, WindowFrames


class ObservedNoise(NamedTuple):
    """Noise of a batch's observed frames: the level of each window, 0 to 1, and noise for all frames."""

    level: Float[Tensor, " B"]
    eps: WindowFrames


def with_noise(window: Window, noise: ObservedNoise) -> Window:
    """The window whose observed frames are `sqrt(1 - level^2) x_0 + level eps`; others are left."""
    sigma = noise.level[:, None, None, None, None]
    noised = add_noise(window.frames, noise.eps, (1.0 - sigma**2).sqrt(), sigma)
    return replace(window, frames=noised.where(window.observed[:, :, None, None, None], window.frames))
