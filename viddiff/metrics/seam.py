"""Seam: how much more a completion changes where one stage of its plan ends and another begins.

    seam = mean of c(made) at borders / mean of c(made) elsewhere

over all videos and over transitions of which at least one frame was generated, with the changes c of `changes.py`. A
transition is a border if different stages made its two frames; that from the last given frame into the first generated
one, and from a generated frame into a goal, are borders, too. The truth is cut at the same borders: what it has by
chance is near 1.

A mean below 1 % of the truth's mean change counts as that, so that completions which stand still have a number: without
any change it is 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from viddiff.errors import InputError
from viddiff.metrics.base import Facts, MetricSettings, Rows, TrueRows, set_metric
from viddiff.metrics.changes import check_that_truth_moves

SMALLEST = 0.01


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "transitions": "with a generated frame",
        "borders": "different stages, or a given and a generated frame",
        "smallest_mean": f"{SMALLEST:g} of the true mean change",
    }


@set_metric(
    "seam",
    descriptor="changes",
    protocol=protocol,
    better="truth",
    unit="borders / elsewhere",
    meaning=(
        "Change between frames where a stage of the plan begins, over change elsewhere. Above the "
        "truth: videos jump where a stage begins."
    ),
)
def seam(made: Rows, truth: TrueRows, facts: Facts) -> float:
    """Changes at borders of stages over changes elsewhere, above 0.

    Raises `InputError` if no plan is known, if no transition or each one is a border, and if the true videos stand
    still.
    """
    if not facts.stage_of:
        raise InputError("no plan is known: there are no borders of stages")
    stages = np.array(facts.stage_of)[: made.shape[1] + 1]
    own = (stages[:-1] >= 0) | (stages[1:] >= 0)
    border = own & (stages[:-1] != stages[1:])
    elsewhere = own & ~border
    if not border.any() or not elsewhere.any():
        raise InputError(
            f"{border.sum()} of {own.sum()} transitions with a generated frame are borders of stages: there must be "
            "some that are, and some that are not"
        )
    true = truth[:, own[: truth.shape[1]]]
    check_that_truth_moves(true)
    smallest = SMALLEST * true.mean()
    return float(max(made[:, border].mean(), smallest) / max(made[:, elsewhere].mean(), smallest))
