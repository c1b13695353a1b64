"""Bilinear resizing of frames for networks, without smoothing: as TensorFlow 1 did it, and as all do it today."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def resize_bilinear(
    frames: Float[Tensor, "*B H W"], size: int, half_pixel: bool
) -> Float[Tensor, "*B {size} {size}"]:
    """Frames of any range, resized to `size` x `size`.

    half_pixel: a pixel's place is its middle, source = (destination + 1/2) * in / out - 1/2. Else source =
    destination * in / out, the default of TensorFlow 1: what is enlarged moves up and left.
    """
    for axis in (-2, -1):
        if frames.shape[axis] != size:
            low, high, weight = _neighbours(frames.shape[axis], size, half_pixel, frames.device)
            shape = (size, 1) if axis == -2 else (size,)
            low_frames, high_frames = frames.index_select(axis, low), frames.index_select(axis, high)
            frames = torch.lerp(low_frames, high_frames, weight.view(shape))
    return frames


def _neighbours(
    count: int, size: int, half_pixel: bool, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """For each destination the pixels beside its source, and how far the source is from the first to the second."""
    destination = torch.arange(size, dtype=torch.float64)
    shift = 0.5 if half_pixel else 0.0
    source = ((destination + shift) * (count / size) - shift).clamp(0, count - 1)
    low = source.floor().long()
    high = (low + 1).clamp(max=count - 1)
    return low.to(device), high.to(device), (source - low).float().to(device)
