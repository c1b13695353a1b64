"""Peak signal-to-noise ratio, `10 log10(1 / MSE)` in decibels for frames in [0, 1], per channel, averaged
over channels.

The squared error is summed in integers, so it is exact. A channel that equals the truth's counts as if one of its
pixels were off by one grey level, so that it does not hide the others. A frame that equals the truth's is infinite.
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

VALUES_PER_CHUNK = 2**16


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
    count, (length, *frame) = len(samples), truth.shape
    largest = largest_finite_psnr(frame[-2], frame[-1])
    result = np.empty((count, length))
    for chunk in frame_chunks(length, math.prod(frame), VALUES_PER_CHUNK):
        for i in range(count):
            x, y = samples[i, chunk], truth[chunk]
            difference = np.maximum(x, y) - np.minimum(x, y)
            squares = np.multiply(difference, difference, dtype=np.uint16)  # 255^2 < 2^16
            error = squares.sum(-1, dtype=np.uint32).sum(-1, dtype=np.int64)
            mse = error / (255.0**2 * frame[-2] * frame[-1])
            with np.errstate(divide="ignore"):
                channels = np.minimum(-10.0 * np.log10(mse), largest).mean(-1) + 0.0  # no -0.0
            result[i, chunk] = np.where(error.any(-1), channels, np.inf)
    return result
