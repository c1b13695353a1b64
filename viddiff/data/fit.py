"""Frames of any size, brought to that of a dataset: resized with their proportions, then cropped or padded.

`crop`: the frame covers the target, what juts out is cut off evenly. `pad`: it fits into the target, black fills
the rest evenly. Frames of the target's size keep their values. Grey becomes three equal channels, alpha is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from viddiff.data.limits import CHANNELS
from viddiff.dataset_settings import AS_STORED, Intake, height_width

CHUNK_PIXELS = 2**22  # resized at a time
# How `torch.nn.functional.interpolate` is called; all but `nearest` are antialiased where they shrink.
_MODES: dict[str, dict[str, Any]] = {
    "bilinear": {"mode": "bilinear", "antialias": True},
    "bicubic": {"mode": "bicubic", "antialias": True},
    "area": {"mode": "area"},
    "nearest": {"mode": "nearest-exact"},
}


def fit(
    frames: UInt8[np.ndarray, "T H W C"], image_size: int | Sequence[int], intake: Intake = AS_STORED
) -> UInt8[np.ndarray, "T 3 height width"]:
    """Bring frames to `image_size`, a number or height and width."""
    size, pad = height_width(image_size), intake.fit == "pad"
    height, width = frames.shape[1:3]
    new_height, new_width = _scaled(height, width, size, pad)
    result = np.zeros((len(frames), CHANNELS, *size), np.uint8)
    # Where the scaled frame lies in the result, or the result in the scaled frame.
    top, left = abs(new_height - size[0]) // 2, abs(new_width - size[1]) // 2
    inner = (..., slice(top, top + min(new_height, size[0])), slice(left, left + min(new_width, size[1])))
    step = max(1, CHUNK_PIXELS // (height * width))
    for first in range(0, len(frames), step):
        chunk = torch.from_numpy(np.array(frames[first : first + step, ..., :CHANNELS])).permute(0, 3, 1, 2)
        if (new_height, new_width) != (height, width):
            scaled = torch.nn.functional.interpolate(
                chunk.float(), (new_height, new_width), **_MODES[intake.interpolation]
            )
            chunk = (scaled + 0.5).clamp(0, 255).to(torch.uint8)
        part = result[first : first + step]
        if pad:
            part[inner] = chunk.numpy()
        else:
            part[...] = chunk[inner].numpy()
    return result


def _scaled(height: int, width: int, size: tuple[int, int], pad: bool) -> tuple[int, int]:
    """The size of a frame, with its proportions, that just covers `size` or, to be padded, just fits into it."""
    high, wide = size
    wider = width * high > wide * height  # than the target
    limit = min if pad else max
    if wider != pad:
        return high, max(1, limit(wide, round(width * high / height)))
    return max(1, limit(high, round(height * wide / width))), wide
