"""The engine: executes a plan on a batch of videos.

It knows windows and noise, not how frames are made: for that it is handed a function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from viddiff.inference.plan import Plan, Stage
from viddiff.seeds import SampleIdentity, row_noise, stage_generator
from viddiff.window import Window

Noise = Callable[[], Float[Tensor, "B K C H W"]]
# Makes the latent frames of a window; what it returns for observed frames is not used.
SampleWindow = Callable[[Window, Noise], Float[Tensor, "B K C H W"]]


def complete(
    plan: Plan,
    videos: Float[Tensor, "B T C H W"],
    identities: Sequence[SampleIdentity],
    sample: SampleWindow,
    progress: Callable[[int], None] = lambda stages_done: None,
) -> Float[Tensor, "B T C H W"]:
    """Complete videos in [-1, 1]; their `plan.true_frames` are observed and kept, others are not read.

    identities: all that each video's noise depends on, so that it comes out the same in any batch.
    progress: called after each stage with the number of stages done.
    """
    frames = torch.zeros_like(videos)
    true_frames = list(plan.true_frames)
    frames[:, true_frames] = videos[:, true_frames]
    for number, stage in enumerate(plan.stages):
        window = stage_window(stage, frames)
        generators = [stage_generator(identity, number) for identity in identities]
        noise = row_noise(generators, window.frames.shape[1:], frames.device)
        made = sample(window, noise)
        frames[:, list(stage.latent)] = made[:, len(stage.observed) :]
        progress(number + 1)
    return frames


def stage_window(stage: Stage, frames: Float[Tensor, "B T C H W"]) -> Window:
    """What the network sees in a stage: its observed frames, then its latent ones."""
    batch, index = len(frames), [*stage.observed, *stage.latent]
    frame_index = torch.tensor(index, device=frames.device).expand(batch, -1)
    latent = torch.arange(len(index), device=frames.device).expand(batch, -1) >= len(stage.observed)
    return Window(frames[:, index], frame_index, ~latent, latent)
