"""Noise on observed frames while training, with its level told to the network, against drift.

When videos are made window by window, a network observes its own frames, which are a little off. One that has trained
on true frames alone takes them for true. With noise on them it learns how far to trust them: conditioning augmentation
of Ho et al. 2022 (arXiv 2106.15282), for long videos Valevski et al. 2024 (arXiv 2408.14837).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from viddiff.diffusion.observed_noise import ObservedNoise


def draw_observed_noise(shape: Sequence[int], most: float, generator: torch.Generator) -> ObservedNoise:
    """Levels that are uniform between 0 and `most`, and noise of that shape, on the generator's device."""
    device = generator.device
    level = most * torch.rand(shape[0], generator=generator, device=device)
    return ObservedNoise(level, torch.randn(tuple(shape), generator=generator, device=device))
