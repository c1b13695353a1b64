"""Noise on observed frames while training, with its level told to the network, against drift.

When videos are made window by window, a network observes its own frames, which are a little off. One that has trained
on true frames alone takes them for true. With noise on them it learns how far to trust them: conditioning augmentation
of Ho et al. 2022 (arXiv 2106.15282), for long videos Valevski et al. 2024 (arXiv 2408.14837).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from viddiff.diffusion.denoiser import add_noise
from viddiff.window import Window, WindowFrames


class ObservedNoise(NamedTuple):
    """Noise of a batch's observed frames: the level of each window, 0 to 1, and noise for all frames."""

    level: Float[Tensor, " B"]
    eps: WindowFrames


def draw_observed_noise(window: Window, most: float, generator: torch.Generator) -> ObservedNoise:
    """Levels that are uniform between 0 and `most`, and noise, on the generator's device."""
    device = generator.device
    level = most * torch.rand(len(window.frames), generator=generator, device=device)
    return ObservedNoise(level, torch.randn(window.frames.shape, generator=generator, device=device))


def with_noise(window: Window, noise: ObservedNoise) -> Window:
    """The window whose observed frames are `sqrt(1 - level^2) x_0 + level eps`; others are left."""
    sigma = noise.level[:, None, None, None, None]
    noised = add_noise(window.frames, noise.eps, (1.0 - sigma**2).sqrt(), sigma)
    return replace(window, frames=noised.where(window.observed[:, :, None, None, None], window.frames))
