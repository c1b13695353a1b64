"""Spread of the samples of a video: their standard deviation, root mean square over a frame (Fortin et al. 2014):

    spread² = (N + 1) / N · mean_p 1 / (N - 1) sum_i (x_ip - mean_j x_jp)²

The mean of N samples is itself off by 1/N of their variance. With the factor for that, spread equals `skill` if the
samples and the truth come from one distribution. Less spread than skill: the samples are too sure of themselves. More:
they differ more than the truth is uncertain.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from viddiff.metrics.base import MetricSettings, Samples, Truth, metric
from viddiff.metrics.ensemble import JointValues, Members, Observed, of_each_frame, protocol


@metric(
    "spread",
    protocol=protocol,
    higher_is_better=None,
    joint=True,
    meaning=(
        "How far the samples of a video differ from each other. As large as `skill` if they are "
        "as uncertain as they should be."
    ),
)
def spread(samples: Samples, truth: Truth, settings: MetricSettings) -> JointValues:
    """Spread of all samples at each frame, for frames in [0, 1]; `truth` has no part in it.

    Raises `InputError` for fewer than two samples.
    """
    return of_each_frame(_spread, samples, truth)


def _spread(x: Members, y: Observed) -> Float64[np.ndarray, " t"]:
    count, _, values = x.shape
    squares = count * np.square(x).sum(0) - np.square(x.sum(0))  # N sum_i (x_i - mean)²
    variance = squares.sum(-1) / (count * (count - 1) * values)
    return np.sqrt((count + 1) / count * variance) / 255.0
