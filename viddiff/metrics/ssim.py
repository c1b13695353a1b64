"""Structural similarity (Wang et al. 2004, eq. 13) as in scikit-image: 7x7 uniform window, sample covariance,
K1 0.01, K2 0.03, windows inside the frame only; per channel, averaged over channels.

    SSIM = (2 mx my + C1) (2 cov + C2) / ((mx^2 + my^2 + C1) (vx + vy + C2)),    Ci = (Ki · data range)^2

Frames are 8-bit, so the windows' sums are computed in integers, exactly: none exceeds 2^31. A chunk of frames
is one long vector, small enough for the processor's cache; adding shifted copies of it sums the windows of
all its frames at once. Windows that straddle a border are dropped at the end.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float64, Int32, UInt8

from viddiff.errors import InputError
from viddiff.metrics.base import (
    Metric,
    MetricSettings,
    Samples,
    Truth,
    Values,
    check_frames,
    frame_chunks,
    register,
)

WINDOW = 7
K1, K2 = 0.01, 0.03
DATA_RANGES = (1.0, 2.0)
VALUES_PER_CHUNK = 2**15


def ssim(samples: Samples, truth: Truth, settings: MetricSettings) -> Values:
    """SSIM of each sample and frame, in [-1, 1].

    Raises `InputError` for frames under 7x7 or an unknown data range.
    """
    check_frames(samples, truth, smallest=WINDOW)
    data_range = settings.ssim_data_range
    if data_range not in DATA_RANGES:
        raise InputError(f"ssim_data_range is {data_range}; allowed are 1 and 2 (as the original)")
    count, (length, *frame) = len(samples), truth.shape
    result = np.empty((count, length))
    for chunk in frame_chunks(length, math.prod(frame), VALUES_PER_CHUNK):
        for i in range(count):
            result[i, chunk] = _ssim(samples[i, chunk], truth[chunk], data_range)
    return result


def _ssim(
    x: UInt8[np.ndarray, "T C H W"], y: UInt8[np.ndarray, "T C H W"], data_range: float
) -> Float64[np.ndarray, " T"]:
    """SSIM of frames. Means and variances keep their integer scale until the two factors are multiplied."""
    shape, width = x.shape, x.shape[-1]
    x, y = x.ravel().astype(np.int32), y.ravel().astype(np.int32)
    pixels = np.empty((3, x.size), np.int32)
    pixels[0] = x + (y << 16)  # two sums in one: that of x stays below 2^16
    pixels[1] = x * x + y * y
    pixels[2] = x * y
    both, squares, products = _window_sums(pixels, width)

    n = WINDOW**2
    sum_x, sum_y = both & 0xFFFF, both >> 16
    twice_means = 2 * sum_x * sum_y  # n^2 · 2 mx my
    mean_squares = sum_x * sum_x + sum_y * sum_y  # n^2 (mx^2 + my^2)
    twice_covariance = 2 * n * products - twice_means  # n (n - 1) · 2 cov
    variances = n * squares - mean_squares  # n (n - 1) (vx + vy)
    c1 = np.float32((K1 * 255.0 * data_range) ** 2 * n**2)
    c2 = np.float32((K2 * 255.0 * data_range) ** 2 * n * (n - 1))
    similarity = (twice_means.astype(np.float32) + c1) * (twice_covariance.astype(np.float32) + c2)
    similarity /= (mean_squares.astype(np.float32) + c1) * (variances.astype(np.float32) + c2)

    border = WINDOW - 1
    windows = np.empty(x.size, np.float32)
    windows[: similarity.size] = similarity
    return windows.reshape(shape)[..., :-border, :-border].mean(-1).mean((-1, -2), dtype=np.float64)


def _window_sums(pixels: Int32[np.ndarray, "Q n"], width: int) -> Int32[np.ndarray, "Q m"]:
    """Sums of the 7x7 windows whose first pixel is i, for frames of that width laid end to end."""
    return _sum_of_seven(_sum_of_seven(pixels, width), 1)


def _sum_of_seven(x: Int32[np.ndarray, "Q n"], step: int) -> Int32[np.ndarray, "Q m"]:
    """x[i] + x[i + step] + ... + x[i + 6 step], in four additions."""
    size = x.shape[1] - 6 * step
    pairs = x[:, :-step] + x[:, step:]
    total = pairs[:, :size] + pairs[:, 2 * step : 2 * step + size]
    total += pairs[:, 4 * step : 4 * step + size]
    total += x[:, 6 * step :]
    return total


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "data_range": settings.ssim_data_range,
        "colour": "per channel, mean of channels",
        "window": "7x7 uniform, inside the frame",
        "covariance": "sample (n - 1)",
        "K1": K1,
        "K2": K2,
    }


register(Metric("ssim", ssim, protocol, higher_is_better=True, unit=""))
