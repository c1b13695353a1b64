"""Skill of the samples of a video: the root mean square error of their mean over a frame (Fortin et al. 2014):

    skill² = mean_p (mean_i x_ip - y_p)²

The mean of samples is a blurred video which no one would show. Its error says how well the truth could be foreseen, and
how large `spread` should be.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from viddiff.metrics.base import MetricSettings, Samples, Truth, metric
from viddiff.metrics.ensemble import JointValues, Members, Observed, of_each_frame, protocol


@metric(
    "skill",
    protocol=protocol,
    higher_is_better=False,
    joint=True,
    meaning="Error of the mean of all samples of a video.",
)
def skill(samples: Samples, truth: Truth, settings: MetricSettings) -> JointValues:
    """Error of the samples' mean at each frame, for frames in [0, 1].

    Raises `InputError` for fewer than two samples.
    """
    return of_each_frame(_skill, samples, truth)


def _skill(x: Members, y: Observed) -> Float64[np.ndarray, " t"]:
    count = len(x)
    squares = np.square(x.sum(0) - count * y).mean(-1)
    return np.sqrt(squares) / (255.0 * count)
