"""Noise levels of training windows from a mode's matrix: what the network meets where that mode completes videos.

A training window gets the levels of one step of the mode's plan, at a moment of it: its latent frames, from the first
to the last, those of the step's. Which frames a window has, its masks tell, as in any training.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from viddiff.diffusion.process import Diffusion
from viddiff.training.level_spans import level_spans
from viddiff.window import Window


def matrix_levels(
    mode: str,
    diffusion: Diffusion,
    window: Window,
    generator: torch.Generator,
    batch: int,
    rows: slice = slice(None),
) -> Int[Tensor, "R K"]:
    """Diffusion steps for each frame of these rows of a batch.

    Step and moment are drawn uniformly for each window. If it has more latent frames than the step, or fewer, levels
    lie between those of its frames. Observed frames and padding are told the step of the least noisy latent one.
    """
    spans, device = level_spans(mode), generator.device
    number = torch.randint(len(spans), (batch,), generator=generator, device=device)[rows].tolist()
    moment = torch.rand(batch, generator=generator, device=device)[rows].tolist()
    latent = window.latent.cpu().numpy()
    share = np.ones(latent.shape)
    for row, mask in enumerate(latent):
        starts, ends = spans[number[row]]
        now = starts + moment[row] * (ends - starts)
        places = np.linspace(0.0, len(now) - 1.0, int(mask.sum()))
        share[row, mask] = np.interp(places, np.arange(len(now)), now)
        share[row, ~mask] = share[row, mask].min(initial=1.0)
    t = np.ceil(share * diffusion.n_steps).astype(np.int64) - 1
    return torch.from_numpy(t.clip(0)).to(device)
