"""Motion: how much a completion changes from frame to frame, over how much the true videos do.

    motion = sum_vt c(made)_vt / sum_vt c(true)_vt

over videos v and transitions t between generated frames, with the changes c of `changes.py`. 1 is as much as the truth,
0 stands still, more than 1 flickers or moves too fast. The sums are over all videos, so that one that stands still
divides nothing by zero.
"""

from __future__ import annotations

from typing import Any

from viddiff.metrics.base import Facts, MetricSettings, Rows, TrueRows, set_metric
from viddiff.metrics.changes import between_made_frames, true_changes


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"transitions": "between generated frames", "ratio": "of sums over videos and transitions"}


def motion_against_time(made: Rows, truth: TrueRows, facts: Facts) -> tuple[list[float], list[float]]:
    """The mean change into each frame over the mean true change of all: `motion` is the mean of these."""
    chosen = between_made_frames(facts, made)
    values = made[:, chosen].mean(0) / true_changes(facts, truth).mean()
    return (chosen.nonzero()[0] + 1.0).tolist(), values.tolist()


@set_metric(
    "motion",
    descriptor="changes",
    protocol=protocol,
    better="truth",
    unit="made / true",
    curve=motion_against_time,
    axis="frame",
    meaning=(
        "Change from frame to frame, over that of the true videos. Below 1: too calm, 0 stands "
        "still; above 1: too fast, or it flickers."
    ),
)
def motion(made: Rows, truth: TrueRows, facts: Facts) -> float:
    """Motion of completions, at least 0; that of the truth is 1.

    Raises `InputError` if no generated frame follows another, and if the true videos stand still.
    """
    return float(made[:, between_made_frames(facts, made)].mean() / true_changes(facts, truth).mean())
