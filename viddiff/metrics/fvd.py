"""Fréchet video distance (Unterthiner et al. 2018): the Fréchet distance of I3D's logits of completions and of truth.

One distance for each sample index, as in the original. It is biased upwards, the more the fewer the videos: with it
come the number of videos and its floor, the distance between true videos.
"""

from __future__ import annotations

from typing import Any

from viddiff.metrics.base import Facts, MetricSettings, Rows, set_metric
from viddiff.metrics.frechet import frechet_distance

BIASED_BELOW = 256


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "distance": "squared Fréchet distance, nuclear norm, float64",
        "covariance": settings.fvd.covariance,
    }


@set_metric(
    "fvd",
    descriptor="i3d",
    protocol=protocol,
    better="lower",
    fewest_videos=2,
    biased_below=BIASED_BELOW,
    floor=True,
    meaning=(
        "Fréchet video distance: how far all completions together are from the true videos, by "
        "what the network I3D sees. Mostly bias with few videos: compare it with its floor, and "
        "with no FVD of another number of videos."
    ),
)
def fvd(made: Rows, truth: Rows, facts: Facts) -> float:
    """The distance of completions `[V, D]` and true videos `[V, D]`, at least 0."""
    return frechet_distance(made, truth, facts.ddof)
