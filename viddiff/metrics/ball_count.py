"""Ball count: how many balls completions have, over how many the true videos do, found as `discs.py` says.

It needs no true frame at the same place: in the box no ball is lost and none comes. Of `bouncy_balls_curtain` the balls
count that can be seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from viddiff.errors import InputError
from viddiff.metrics.balls import discs_protocol
from viddiff.metrics.base import Facts, MetricSettings, Rows, TrueRows, Videos, descriptor, set_metric
from viddiff.metrics.changes import made_frames
from viddiff.metrics.discs import behind_curtain, count_discs, find_discs


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"ratio": "of means over generated frames and videos"}


@descriptor("ball-counts", protocol=lambda settings: discs_protocol(), beyond=True)
def ball_counts(videos: Videos, obs_length: int, settings: MetricSettings) -> Float64[np.ndarray, "B D"]:
    """The number of balls in each frame, `[B, T]`. Raises `InputError` for frames that are not square."""
    return np.stack([count_discs(find_discs(video, behind_curtain(video))) for video in videos]).astype(float)


def count_against_time(made: Rows, truth: TrueRows, facts: Facts) -> tuple[list[float], list[float]]:
    """The mean number of balls in each frame."""
    chosen = made_frames(facts, made.shape[1])
    return chosen.nonzero()[0].astype(float).tolist(), made[:, chosen].mean(0).tolist()


@set_metric(
    "ball_count",
    descriptor="ball-counts",
    protocol=protocol,
    better="truth",
    unit="made / true",
    curve=count_against_time,
    axis="frame",
    datasets=("bouncy_balls", "bouncy_balls_curtain"),
    meaning="Balls in a frame, over those of the true videos. Below 1: balls are lost. The curve is their number.",
)
def ball_count(made: Rows, truth: TrueRows, facts: Facts) -> float:
    """The number of balls, at least 0; that of the truth is 1. Raises `InputError` if no true ball is seen."""
    true = truth[:, made_frames(facts, truth.shape[1])]
    if not true.any():
        raise InputError("no generated frame of the true videos shows a ball")
    return float(made[:, made_frames(facts, made.shape[1])].mean() / true.mean())
