"""Windows of training videos: which frames of a crop the network sees, by its masks, and what it is told of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64, UInt8
from torch import Tensor

from viddiff.video import to_model_on
from viddiff.window import Window


@dataclass(frozen=True)
class StoredWindow:
    """A `Window` as processes pass it on: frames of bytes, a quarter of the size."""

    frames: UInt8[Tensor, "B K C H W"]
    frame_index: Int[Tensor, "B K"]
    observed: Bool[Tensor, "B K"]
    latent: Bool[Tensor, "B K"]

    def on(self, device: torch.device) -> Window:
        """What the network sees."""
        marks = (part.to(device) for part in (self.frame_index, self.observed, self.latent))
        return Window(to_model_on(self.frames, device), *marks)


def frame_indices(
    observed: Bool[np.ndarray, "B T"],
    latent: Bool[np.ndarray, "B T"],
    max_frames: int,
    random_padding: bool,
    generator: np.random.Generator,
) -> Int64[np.ndarray, "B K"]:
    """The frames of each window by their numbers in the crops: those that are marked, in order, then padding.

    random_padding: random numbers pad to `max_frames`; else windows are as large as the batch needs, and 0 pads.
    """
    counts = marked_frames(observed, latent)
    B, T = observed.shape
    K = max_frames if random_padding else int(counts.max())
    index = np.zeros((B, K), dtype=np.int64)
    for b, n in enumerate(counts):
        index[b, :n] = np.flatnonzero(observed[b] | latent[b])
        if random_padding:
            index[b, n:] = generator.integers(T, size=K - n)
    return index


def marked_frames(
    observed: Bool[np.ndarray, "B T"], latent: Bool[np.ndarray, "B T"]
) -> Int64[np.ndarray, " B"]:
    """How many frames of each window are no padding."""
    return (observed | latent).sum(axis=1)


def make_window(
    frames: UInt8[np.ndarray, "B K C H W"],
    index: Int64[np.ndarray, "B K"],
    observed: Bool[np.ndarray, "B T"],
    latent: Bool[np.ndarray, "B T"],
) -> StoredWindow:
    """Windows of frames with these numbers. Padding is neither observed nor latent."""
    real = np.arange(index.shape[1]) < marked_frames(observed, latent)[:, None]
    rows = np.arange(len(index))[:, None]
    return StoredWindow(
        frames=torch.from_numpy(frames),
        frame_index=torch.from_numpy(index),
        observed=torch.from_numpy(observed[rows, index] & real),
        latent=torch.from_numpy(latent[rows, index] & real),
    )


def loss_mask(window: Window, pad_with_random_frames: bool) -> Bool[Tensor, "B K"]:
    """The frames that the loss counts: the latent ones, and padding if it is made of random frames."""
    return ~window.observed if pad_with_random_frames else window.latent
