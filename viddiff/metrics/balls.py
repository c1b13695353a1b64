"""Balls: whether a frame of bouncing balls has as many of them as the true one, found as `discs.py` says.

Of `bouncy_balls_curtain` the balls count that can be seen.

The mean is the share of frames with the right number: none is lost, none is made up, no two have run into each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from viddiff.metrics.base import MetricSettings, Samples, Truth, metric
from viddiff.metrics.discs import LEAST_GAIN, behind_curtain, count_discs, find_discs


def discs_protocol() -> dict[str, Any]:
    """How balls are found."""
    return {"discs": f"matching pursuit, a gain of more than {LEAST_GAIN:g} of a ball's"}


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return discs_protocol() | {"right": "as many as in the truth"}


@metric(
    "balls",
    protocol=protocol,
    higher_is_better=True,
    unit="share",
    datasets=("bouncy_balls", "bouncy_balls_curtain"),
    meaning="Share of frames that show as many balls as the true ones: none lost, none made up.",
)
def balls(samples: Samples, truth: Truth, settings: MetricSettings) -> Float64[np.ndarray, "N T"]:
    """1 for each frame with the right number of balls, 0 for the others. Raises `InputError` for frames not square."""
    hidden = behind_curtain(truth)
    right = count_discs(find_discs(truth, hidden))
    return np.stack(
        [(count_discs(find_discs(video, hidden)) == right).astype(np.float64) for video in samples]
    )
