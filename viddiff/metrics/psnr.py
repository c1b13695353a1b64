"""Peak signal-to-noise ratio, `10 log10(1 / MSE)` in decibels for frames in [0, 1], per channel, averaged
over channels.

The squared error is exact: it is summed in float32 over parts so small that every sum is an integer below 2^24. A
channel that equals the truth's counts as if one of its pixels were off by one grey level, so that it does not hide the
others. A frame that equals the truth's is infinite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from viddiff.metrics.base import (
    MetricSettings,
    Samples,
    Truth,
    Values,
    frame_chunks,
    metric,
)

VALUES_PER_CHUNK = 2**18
EXACT = 2**24 // 255**2  # squares of differences of 8 bits whose sum float32 holds


def largest_finite_psnr(height: int, width: int) -> float:
    """PSNR of a channel that is off by one grey level in one pixel, in dB: the largest finite one of 8 bits."""
    return 10.0 * math.log10(255.0**2 * height * width)


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "data_range": 1.0,
        "colour": "per channel, mean of channels",
        "infinite": "counts in means as 10 log10(255^2 H W) dB: one pixel off by one grey level",
        "equal_channel": "of a frame that is not equal counts the same",
    }


@metric(
    "psnr",
    protocol=protocol,
    higher_is_better=True,
    unit="dB",
    largest_finite=largest_finite_psnr,
    meaning=("Peak signal-to-noise ratio: how near the pixels are to those of the true video."),
)
def psnr(samples: Samples, truth: Truth, settings: MetricSettings) -> Values:
    """PSNR of each sample and frame, in dB; infinite where the frame equals the truth's."""
    count, (length, colours, height, width) = len(samples), truth.shape
    plane, largest = height * width, largest_finite_psnr(height, width)
    part = max(size for size in range(1, EXACT + 1) if plane % size == 0)
    error = np.empty((count, length, colours))
    for chunk in frame_chunks(length, colours * plane, VALUES_PER_CHUNK):
        for i in range(count):
            x, y = samples[i, chunk], truth[chunk]
            difference = np.maximum(x, y)
            difference -= np.minimum(x, y)
            parts = difference.astype(np.float32).reshape(-1, part)
            sums = np.einsum("ij,ij->i", parts, parts)
            error[i, chunk] = sums.reshape(-1, colours, plane // part).sum(-1, dtype=np.float64)
    with np.errstate(divide="ignore"):
        decibels = -10.0 * np.log10(error / (255.0**2 * plane))
    channels = np.minimum(decibels, largest).mean(-1) + 0.0  # no -0.0
    return np.where(error.any(-1), channels, np.inf)
