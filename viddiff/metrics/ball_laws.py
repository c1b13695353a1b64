"""Ball laws and ball bounces: how often a ball is where the laws of the box have it, see `ball_tracks.py`.

A velocity of two frames is wrong if a bounce lies between them, so that the truth does not obey always either: its own
share is the value to compare with.
"""

from __future__ import annotations

from typing import Any

from viddiff.metrics.ball_steps import share
from viddiff.metrics.base import Facts, MetricSettings, Rows, TrueRows, set_metric


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"share": "of sums over balls and videos, of steps into generated frames"}


@set_metric(
    "ball_laws",
    descriptor="ball-steps",
    protocol=protocol,
    better="truth",
    unit="share",
    datasets=("bouncy_balls", "bouncy_balls_curtain"),
    meaning="Share of the steps of balls that end where physics has them: straight on, or after a bounce.",
)
def ball_laws(made: Rows, truth: TrueRows, facts: Facts) -> float:
    """The share of lawful steps. Raises `InputError` if no ball has a known velocity."""
    return share(made, facts, "lawful", "predicted", "a ball whose velocity is known")


@set_metric(
    "ball_bounces",
    descriptor="ball-steps",
    protocol=protocol,
    better="truth",
    unit="share",
    datasets=("bouncy_balls", "bouncy_balls_curtain"),
    meaning="Share of the bounces that physics demands, off walls and other balls, which do happen.",
)
def ball_bounces(made: Rows, truth: TrueRows, facts: Facts) -> float:
    """The share of due bounces that happen. Raises `InputError` if none is due."""
    return share(made, facts, "bounced", "due", "a ball that has to bounce")
