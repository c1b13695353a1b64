"""The samples of one video as an ensemble: what the metrics `crps`, `spread` and `skill` share.

Frames are 8-bit, so sums over samples and pixels are computed in integers, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from viddiff.errors import InputError
from viddiff.metrics.base import MetricSettings, Samples, Truth, frame_chunks

FEWEST_SAMPLES = 2
VALUES_PER_CHUNK = 2**18

JointValues = Float64[np.ndarray, "1 T"]
Members = Int64[np.ndarray, "N t P"]
Observed = Int64[np.ndarray, "t P"]


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "data_range": 1.0,
        "pixels": "every channel of every pixel alike",
        "estimator": "fair to few samples",
    }


def of_each_frame(
    compute: Callable[[Members, Observed], Float64[np.ndarray, " t"]], samples: Samples, truth: Truth
) -> JointValues:
    """`compute(samples [N, t, P], truth [t, P])` of the frames' P values, chunk by chunk, as one row `[1, T]`.

    Raises `InputError` for fewer than two samples.
    """
    if len(samples) < FEWEST_SAMPLES:
        raise InputError(f"needs at least {FEWEST_SAMPLES} samples of a video, found {len(samples)}")
    length = len(truth)
    result = np.empty((1, length))
    for chunk in frame_chunks(length, samples[:, 0].size, VALUES_PER_CHUNK):
        result[0, chunk] = compute(_flat(samples[:, chunk]), _flat(truth[chunk]))
    return result


def _flat(frames: UInt8[np.ndarray, "*shape C H W"]) -> Int64[np.ndarray, "*shape P"]:
    return frames.reshape(*frames.shape[:-3], math.prod(frames.shape[-3:])).astype(np.int64)
