"""How the frames of a video look, in three numbers of each frame in [0, 1]: brightness, contrast and saturation.

With g the mean of a pixel's channels: brightness is mean_p g_p, contrast is the standard deviation of g over pixels,
saturation is the mean over pixels of the largest less the smallest channel, 0 for grey frames.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float64

from viddiff.metrics.base import MetricSettings, Videos, descriptor, frame_chunks

VALUES_PER_CHUNK = 2**18
NUMBERS = 3


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"looks": ["brightness", "contrast", "saturation"], "data_range": 1.0}


@descriptor("looks", protocol=protocol, beyond=True)
def looks(videos: Videos, obs_length: int, settings: MetricSettings) -> Float64[np.ndarray, "B D"]:
    """Brightness, contrast and saturation of frame 0, then of frame 1, and so on: `[B, 3 T]`."""
    count, length, *frame = videos.shape
    result = np.empty((count, length, NUMBERS))
    for video, row in zip(videos, result, strict=True):
        for chunk in frame_chunks(length, math.prod(frame), VALUES_PER_CHUNK):
            frames = video[chunk]
            grey = frames.mean(1, dtype=np.float64) / 255.0
            saturation = (frames.max(1) - frames.min(1)).mean((1, 2), dtype=np.float64) / 255.0
            row[chunk] = np.stack([grey.mean((1, 2)), grey.std((1, 2)), saturation], 1)
    return result.reshape(count, -1)
