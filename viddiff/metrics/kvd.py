"""Kernel video distance: the squared maximum mean discrepancy of I3D's logits with a polynomial kernel.

    k(x, y) = (x . y / D + 1)^3
    MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)

Gretton et al. 2012, eq. 3; the kernel is that of Bińkowski et al. 2018. Over all samples, as the original. The estimate
has no bias, so that it can be negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from viddiff.metrics.base import Facts, MetricSettings, Rows, set_metric

DEGREE, COEFFICIENT = 3, 1.0


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "kernel": f"polynomial, degree {DEGREE}, gamma 1/D, coefficient {COEFFICIENT:g}",
        "estimate": "unbiased, over all videos",
    }


@set_metric(
    "kvd",
    descriptor="i3d",
    protocol=protocol,
    better="lower",
    fewest_videos=2,
    floor=True,
    meaning=("Kernel video distance: as FVD, by a distance without bias, which may be below 0."),
)
def kvd(made: Rows, truth: Rows, facts: Facts) -> float:
    """The squared discrepancy of completions `[V, D]` and true videos `[V, D]`."""
    return polynomial_mmd(made, truth)


def polynomial_mmd(x: Float[np.ndarray, "N D"], y: Float[np.ndarray, "M D"]) -> float:
    """The unbiased squared MMD of two sets of two or more each, in float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    return _mean_of_others(_kernel(x, x)) + _mean_of_others(_kernel(y, y)) - 2 * float(_kernel(x, y).mean())


def _kernel(x: Float64[np.ndarray, "N D"], y: Float64[np.ndarray, "M D"]) -> Float64[np.ndarray, "N M"]:
    kernel: Float64[np.ndarray, "N M"] = (x @ y.T / x.shape[1] + COEFFICIENT) ** DEGREE
    return kernel


def _mean_of_others(kernel: Float64[np.ndarray, "N N"]) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))
