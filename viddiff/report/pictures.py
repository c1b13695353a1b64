"""Which pictures of curves the configured metrics have. Planning reads this, without torch and matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

from viddiff.metrics.settings import is_of_network
from viddiff.registry import declared_facts

SPREAD_AND_SKILL = "spread-and-skill"
"""The picture of the metrics `spread` and `skill`, if both are there: what they say, they say together."""


def curve_pictures(metrics: Sequence[str]) -> list[str]:
    """The pictures of these metrics: one of each metric of frames, and of each of sets of videos that has a curve."""
    of_sets = declared_facts("set_metric", "viddiff.metrics")
    names = [
        name
        for name in metrics
        if not is_of_network(name) and (name not in of_sets or of_sets[name].get("axis"))
    ]
    if {"spread", "skill"} <= set(names):
        return [name for name in names if name not in ("spread", "skill")] + [SPREAD_AND_SKILL]
    return names
