"""Ball speed: the mean way of a ball from frame to frame, over that of the true balls."""

from __future__ import annotations

from typing import Any

from viddiff.metrics.ball_steps import share, sums_of
from viddiff.metrics.base import Facts, MetricSettings, Rows, TrueRows, set_metric
from viddiff.metrics.changes import made_frames


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"ratio": "of means over the steps of all balls and videos into generated frames"}


def speed_against_time(made: Rows, truth: TrueRows, facts: Facts) -> tuple[list[float], list[float]]:
    """The mean way into each frame over the mean true way; 0 where no ball of any video goes on."""
    sums, true = sums_of(made, facts), share(truth, facts, "distance", "steps", "a ball that goes on")
    values = sums["distance"].sum(0) / sums["steps"].sum(0).clip(1) / true
    frames = made_frames(facts, made.shape[1] // 6).nonzero()[0]
    return frames.astype(float).tolist(), values.tolist()


@set_metric(
    "ball_speed",
    descriptor="ball-steps",
    protocol=protocol,
    better="truth",
    unit="made / true",
    curve=speed_against_time,
    axis="frame",
    datasets=("bouncy_balls", "bouncy_balls_curtain"),
    meaning="How fast balls move, over the speed of the true ones. 0.5: half as fast.",
)
def ball_speed(made: Rows, truth: TrueRows, facts: Facts) -> float:
    """The speed of balls, at least 0; that of the truth is 1. Raises `InputError` if no ball goes on."""
    what = "a ball that goes on"
    return share(made, facts, "distance", "steps", what) / share(truth, facts, "distance", "steps", what)
