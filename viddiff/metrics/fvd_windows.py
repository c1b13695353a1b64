"""FVD in windows: the Fréchet distance of I3D's logits of short windows at the same place in all videos, against time.

What a model loses as a video goes on shows in the last windows. The metric is the drift, the distance in the last
window less that in the first, which is 0 for the truth; its curve has the distance of each window. Each window alone
has the bias of FVD, which the difference mostly loses.

Completions that go on when the truth has ended are compared with all windows of the true videos together, in each of
their own windows: so all have the same bias.
"""

from __future__ import annotations

from typing import Any

from viddiff.errors import InputError
from viddiff.metrics.base import Facts, MetricSettings, Rows, TrueRows, set_metric
from viddiff.metrics.frechet import frechet_distance
from viddiff.metrics.fvd import BIASED_BELOW
from viddiff.metrics.i3d import CLASSES
from viddiff.metrics.i3d_rows import WINDOW


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "windows": f"{WINDOW} frames, one after the other",
        "drift": "last window less the first of generated frames alone",
        "covariance": settings.fvd.covariance,
    }


def window_distances(made: Rows, truth: TrueRows, facts: Facts) -> tuple[list[float], list[float]]:
    """The first frame of each window, and the distance in it; rows are `[V, windows * 400]`."""
    windows = range(made.shape[1] // CLASSES)
    positions = [float(facts.first + WINDOW * number) for number in windows]
    return positions, [_distance(made, truth, number, facts) for number in windows]


@set_metric(
    "fvd_windows",
    descriptor="i3d-windows",
    protocol=protocol,
    better="truth",
    curve=window_distances,
    axis="first frame of the window",
    fewest_videos=2,
    biased_below=BIASED_BELOW,
    meaning=(
        "How FVD grows with time: that of the last window of 16 frames less that of the first without observed ones. "
        "What is bad from the start grows no worse, so look at the curve, the FVD of each window."
    ),
)
def fvd_windows(made: Rows, truth: TrueRows, facts: Facts) -> float:
    """The distance in the last window less that in the first without observed frames.

    Raises `InputError` if there are fewer than two such windows.
    """
    windows = made.shape[1] // CLASSES
    first = -((facts.first - facts.obs_length) // WINDOW)
    if windows - first < 2:
        raise InputError(
            f"{max(windows - first, 0)} windows of {WINDOW} generated frames, needs 2 or more "
            f"({windows} windows in all, obs_length {facts.obs_length})"
        )
    return _distance(made, truth, windows - 1, facts) - _distance(made, truth, first, facts)


def _distance(made: Rows, truth: TrueRows, number: int, facts: Facts) -> float:
    window = slice(number * CLASSES, (number + 1) * CLASSES)
    ended = truth.shape[1] < made.shape[1]
    true = truth.reshape(-1, CLASSES) if ended else truth[:, window]
    return frechet_distance(made[:, window], true, facts.ddof)
