"""Structural similarity (Wang et al. 2004, eq. 13) as in scikit-image: 7x7 uniform window, sample covariance,
K1 0.01, K2 0.03, windows inside the frame only; per channel, averaged over channels.

    SSIM = (2 mx my + C1) (2 cov + C2) / ((mx^2 + my^2 + C1) (vx + vy + C2)),    Ci = (Ki · data range)^2

Frames are 8-bit, so the windows' sums are computed in integers, exactly: those of pixels in 16 bits, those of their
products in 32. A chunk of frames is one long vector, small enough for the processor's cache; adding shifted copies of
it sums the windows of all its frames at once. Windows that straddle a border are dropped at the end.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float64, Int32, Integer, UInt8, UInt16

from viddiff.errors import InputError
from viddiff.metrics.base import (
    MetricSettings,
    Samples,
    Truth,
    Values,
    check_size,
    frame_chunks,
    metric,
)

WINDOW = 7
K1, K2 = 0.01, 0.03
DATA_RANGES = (1.0, 2.0)
VALUES_PER_CHUNK = 2**16


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "data_range": settings.ssim_data_range,
        "colour": "per channel, mean of channels",
        "window": "7x7 uniform, inside the frame",
        "covariance": "sample (n - 1)",
        "K1": K1,
        "K2": K2,
    }


@metric(
    "ssim",
    protocol=protocol,
    higher_is_better=True,
    meaning=("Structural similarity: how alike small patches are to those of the true video; 1 is equal."),
)
def ssim(samples: Samples, truth: Truth, settings: MetricSettings) -> Values:
    """SSIM of each sample and frame, in [-1, 1].

    Raises `InputError` for frames under 7x7 or an unknown data range.
    """
    check_size(truth, WINDOW)
    data_range = settings.ssim_data_range
    if data_range not in DATA_RANGES:
        raise InputError(f"ssim_data_range is {data_range}; allowed are 1 and 2 (as the original)")
    count, (length, *frame) = len(samples), truth.shape
    result = np.empty((count, length))
    size = max(VALUES_PER_CHUNK, math.prod(frame))
    work = np.empty((3, 2, size), np.uint16), np.empty((3, 2, size), np.int32)
    for chunk in frame_chunks(length, math.prod(frame), VALUES_PER_CHUNK):
        for i in range(count):
            result[i, chunk] = _ssim(samples[i, chunk], truth[chunk], data_range, *work)
    return result


def _ssim(
    x: UInt8[np.ndarray, "T C H W"],
    y: UInt8[np.ndarray, "T C H W"],
    data_range: float,
    small: UInt16[np.ndarray, "3 2 n"],
    large: Int32[np.ndarray, "3 2 n"],
) -> Float64[np.ndarray, " T"]:
    """SSIM of frames. Everything is computed in `small` and `large`: to allocate costs more than to add.

    Means and variances keep their integer scale until the two factors are multiplied. The denominator needs
    no sums of its own: mx^2 + my^2 = 2 mx my + (mx - my)^2 and vx + vy = 2 cov + var(x - y).
    """
    shape, length = x.shape, x.size
    pixels, halves, columns = small[..., :length]
    sums, pairs, wide = large[..., :length]
    pixels[0], pixels[1] = x.ravel(), y.ravel()
    product, square = halves
    np.multiply(pixels[0], pixels[1], out=product)
    np.subtract(pixels[0], pixels[1], out=square)  # modulo 2^16, as its square, which is below
    np.multiply(square, square, out=square)
    sums[:] = halves
    size = length - 6 * shape[-1] - 6
    for summed, work, result in ((pixels, halves, columns), (sums, pairs, wide)):
        _sum_of_seven(summed, shape[-1], work, result)
        _sum_of_seven(result[:, : size + 6], 1, work, summed)

    n = WINDOW**2
    products, errors = sums[:, :size]
    pairs[:, :size] = pixels[:, :size]
    sum_x, sum_y = pairs[:, :size]
    means = np.multiply(sum_x, sum_y, out=wide[0, :size])
    means *= 2  # n^2 · 2 mx my
    products *= 2 * n
    products -= means  # n (n - 1) · 2 cov
    sum_x -= sum_y
    mean_error = np.square(sum_x, out=sum_x)  # n^2 (mx - my)^2
    errors *= n
    errors -= mean_error  # n (n - 1) var(x - y)

    # In the memory of what is not needed any more.
    contrast, luminance = pairs.view(np.float32)[1, :size], wide.view(np.float32)[1, :size]
    variances, windows = sums.view(np.float32)
    mean_squares, variances = wide.view(np.float32)[0, :size], variances[:size]
    luminance[:] = means
    luminance += (K1 * 255.0 * data_range) ** 2 * n**2
    contrast[:] = products
    contrast += (K2 * 255.0 * data_range) ** 2 * n * (n - 1)
    mean_squares[:] = mean_error
    mean_squares += luminance
    variances[:] = errors
    variances += contrast
    luminance *= contrast
    mean_squares *= variances
    np.divide(luminance, mean_squares, out=windows[:size])

    border = WINDOW - 1
    return windows.reshape(shape)[..., :-border, :-border].mean(-2).mean((-1, -2), dtype=np.float64)


def _sum_of_seven(
    x: Integer[np.ndarray, "Q n"],
    step: int,
    pairs: Integer[np.ndarray, "Q m"],
    out: Integer[np.ndarray, "Q m"],
) -> None:
    """out[i] = x[i] + x[i + step] + ... + x[i + 6 step], in four additions; the end of `out` stays as it was."""
    size = x.shape[1] - 6 * step
    total = out[:, :size]
    np.add(x[:, :-step], x[:, step:], out=pairs[:, : x.shape[1] - step])
    np.add(pairs[:, :size], pairs[:, 2 * step : 2 * step + size], out=total)
    total += pairs[:, 4 * step : 4 * step + size]
    total += x[:, 6 * step :]
