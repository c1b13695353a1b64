"""Frozen transitions: the share of a completion's transitions in which nearly nothing moves.

    frozen = share of vt with c(made)_vt <= q,    q = the first percentile of all c(true)_vt

over videos v and transitions t between generated frames, with the changes c of `changes.py`. So about 1 % of the
truth's own are frozen, by definition; more if true frames repeat.

q is that of all videos when the jackknife leaves one out. It would not do for a percentile (Efron 1982, chapter 3):
with few videos, q jumps from one rank to the next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from viddiff.metrics.base import Facts, MetricSettings, Rows, set_metric
from viddiff.metrics.changes import between_made_frames, true_changes

PERCENTILE = 1.0
AllTrue = Float[np.ndarray, "W E"]  # of W true videos, of V of which there are completions


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "transitions": "between generated frames",
        "threshold": f"at or below percentile {PERCENTILE:g} of the true changes, linear between ranks, of all videos",
    }


def frozen_against_time(made: Rows, truth: AllTrue, facts: Facts) -> tuple[list[float], list[float]]:
    """The share of videos that are frozen into each frame: `frozen` is the mean of these."""
    chosen = between_made_frames(facts, made)
    still = made[:, chosen] <= np.percentile(true_changes(facts, truth), PERCENTILE)
    return (chosen.nonzero()[0] + 1.0).tolist(), still.mean(0).tolist()


@set_metric(
    "frozen",
    descriptor="changes",
    protocol=protocol,
    better="truth",
    whole_truth=True,
    unit="share",
    curve=frozen_against_time,
    axis="frame",
    meaning=(
        "Share of the steps from frame to frame in which nearly nothing moves. 0.4: four of ten "
        "steps stand still."
    ),
)
def frozen(made: Rows, truth: AllTrue, facts: Facts) -> float:
    """The share of frozen transitions, in [0, 1].

    Raises `InputError` if no generated frame follows another, and if the true videos stand still.
    """
    changed = made[:, between_made_frames(facts, made)]
    return float((changed <= np.percentile(true_changes(facts, truth), PERCENTILE)).mean())
