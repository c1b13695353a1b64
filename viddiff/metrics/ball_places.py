"""Ball places: how far the balls of a frame are from the true ones, in the units of the box.

The OSPA distance of order 1 with cut-off c (Schuhmacher, Vo and Vo 2008, eq. 3) of the m balls x that were found in a
frame and the n true ones y, with m <= n; else they change places:

    (min_pi sum_i min(|x_i - y_pi(i)|, c) + c (n - m)) / n

so that a ball which is missing or made up counts as one that is c away. c is the diameter of a ball. 0 without balls.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment

from viddiff.data.bouncy_balls import RADIUS
from viddiff.metrics.balls import discs_protocol
from viddiff.metrics.base import MetricSettings, Samples, Truth, metric
from viddiff.metrics.discs import behind_curtain, find_discs

CUT_OFF = 2 * RADIUS
Places = Float64[np.ndarray, "n 2"]


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return discs_protocol() | {"distance": "OSPA, order 1", "cut_off": CUT_OFF}


@metric(
    "ball_places",
    protocol=protocol,
    higher_is_better=False,
    unit="box units",
    datasets=("bouncy_balls", "bouncy_balls_curtain"),
    meaning=(
        "How far balls are from the true ones, of a box that is 10 wide; one that is missing or made up counts as "
        "2.4 away."
    ),
)
def ball_places(samples: Samples, truth: Truth, settings: MetricSettings) -> Float64[np.ndarray, "N T"]:
    """The distance of each frame, from 0 to 2.4. Raises `InputError` for frames that are not square."""
    hidden = behind_curtain(truth)
    true = find_discs(truth, hidden)
    values = np.empty(samples.shape[:2])
    for video, row in zip(samples, values, strict=True):
        row[:] = list(map(ospa, find_discs(video, hidden), true))
    return values


def ospa(x: Float64[np.ndarray, "m 2"], y: Places) -> float:
    """The distance of two sets of places; rows of NaN are none."""
    x, y = (places[np.isfinite(places[:, 0])] for places in (x, y))
    most, fewest = max(len(x), len(y)), min(len(x), len(y))
    if most == 0:
        return 0.0
    distances = np.minimum(np.linalg.norm(x[:, None] - y, axis=-1), CUT_OFF)
    return float((distances[linear_sum_assignment(distances)].sum() + CUT_OFF * (most - fewest)) / most)
