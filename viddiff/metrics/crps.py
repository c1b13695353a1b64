"""Continuous ranked probability score of the samples of a video (Gneiting & Raftery 2007, eq. 21), in the fair form
for N samples (Ferro 2014), for each value of a frame, averaged over the frame:

    CRPS = mean_i |x_i - y| - 1 / (2 N (N - 1)) sum_ij |x_i - x_j|

It is a distance from the samples' distribution to the truth, in the units of the frames in [0, 1], and lowest in
expectation for samples from the truth's own distribution, however few. It is never negative; samples
that are all equal have their mean absolute error.

With the samples in rising order, sum_ij |x_i - x_j| = 2 sum_k (2 k - N - 1) x_k, k = 1..N.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from viddiff.metrics.base import MetricSettings, Samples, Truth, metric
from viddiff.metrics.ensemble import JointValues, Members, Observed, of_each_frame, protocol


@metric(
    "crps",
    protocol=protocol,
    higher_is_better=False,
    joint=True,
    meaning=(
        "Continuous ranked probability score: error of all samples of a video together, as a "
        "forecast of its pixels."
    ),
)
def crps(samples: Samples, truth: Truth, settings: MetricSettings) -> JointValues:
    """CRPS of all samples at each frame, in [0, 1]. Raises `InputError` for fewer than two samples."""
    return of_each_frame(_crps, samples, truth)


def _crps(x: Members, y: Observed) -> Float64[np.ndarray, " t"]:
    count, _, values = x.shape
    errors = np.abs(x - y).sum((0, 2))
    weights = 2 * np.arange(1, count + 1) - count - 1
    pairs = 2 * np.einsum("n,ntp->t", weights, np.sort(x, axis=0))
    return (errors / count - pairs / (2 * count * (count - 1))) / (255.0 * values)
