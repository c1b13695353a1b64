"""Windows of training videos: what the network sees of a crop, gathered by its masks."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from viddiff.video import to_model
from viddiff.window import Window


def make_window(
    videos: UInt8[np.ndarray, "B T C H W"],
    others: UInt8[np.ndarray, "B T C H W"] | None,
    observed: Bool[np.ndarray, "B T"],
    latent: Bool[np.ndarray, "B T"],
    max_frames: int,
    generator: np.random.Generator,
) -> Window:
    """Gather the marked frames of each video, in order, and pad them to windows of one size.

    others: random frames of these videos pad to `max_frames`. `None`: windows are as large as the batch needs
    and padded with the first frame. Padding is neither observed nor latent.
    """
    marked = observed | latent
    counts = marked.sum(axis=1)
    B, T = marked.shape
    K = int(counts.max()) if others is None else max_frames
    index = np.zeros((B, K), dtype=np.int64)
    frames = np.empty((B, K, *videos.shape[2:]), dtype=np.uint8)
    for b, n in enumerate(counts):
        index[b, :n] = np.flatnonzero(marked[b])
        if others is not None:
            index[b, n:] = generator.integers(T, size=K - n)
        frames[b, :n] = videos[b][index[b, :n]]
        frames[b, n:] = (videos if others is None else others)[b][index[b, n:]]
    real = np.arange(K) < counts[:, None]
    rows = np.arange(B)[:, None]
    return Window(
        frames=to_model(frames),
        frame_index=torch.from_numpy(index),
        observed=torch.from_numpy(observed[rows, index] & real),
        latent=torch.from_numpy(latent[rows, index] & real),
    )


def loss_mask(window: Window, pad_with_random_frames: bool) -> Bool[Tensor, "B K"]:
    """The frames that the loss counts: the latent ones, and padding if it is made of random frames."""
    return ~window.observed if pad_with_random_frames else window.latent
