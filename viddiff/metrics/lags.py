"""LPIPS between two frames of one video, for several distances in time between them."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from viddiff.metrics import lpips
from viddiff.metrics.base import MetricSettings, Truth, Videos, descriptor, frame_chunks

LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"lags": list(LAGS), "lpips": lpips.protocol(settings)}


@descriptor("lags", protocol=protocol, kept=True)
def lags(videos: Videos, obs_length: int, settings: MetricSettings) -> Float64[np.ndarray, "B D"]:
    """LPIPS of the frames t and t + lag, `[B, len(LAGS) * T]`: a row of T numbers for each lag, 0 where no t + lag is.

    Each frame passes through the network once, and lags above T / 2 are left 0; so memory holds the embeddings of at
    most T / 2 frames. Raises `InputError` for other than three channels and for frames under 31x31.
    """
    count, length = videos.shape[:2]
    result = np.zeros((count, len(LAGS), length))
    for video, row in zip(videos, result, strict=True):
        _fill(row, video, settings)
    return result.reshape(count, -1)


def _fill(row: Float64[np.ndarray, "L T"], video: Truth, settings: MetricSettings) -> None:
    length, _, height, width = video.shape
    known: deque[Tensor] = deque(maxlen=length // 2 + 1)
    for chunk in frame_chunks(length, height * width, lpips.PIXELS_PER_CHUNK):
        for last, embedding in enumerate(lpips.embed_frames(video[chunk], settings), chunk.start):
            known.append(embedding)
            for number, lag in enumerate(LAGS):
                if lag < len(known):
                    row[number, last - lag] = (embedding - known[-1 - lag]).square().sum().item()
