"""LPIPS against lag: how different the frames of a completion become with the time between them, against the truth.

    lag = mean over lags l of D_l(made) / D_l(true),    D_l = mean_vt LPIPS(x_vt, x_v(t+l))

over videos v and pairs of generated frames t, t + l, for the lags of `lags.py` up to half the number of generated
frames. 1 is as the truth. Below 1 frames stay too much alike; above 1 they change too much. The curve shows at which
lags: at short ones jerks and flicker, at long ones how soon a scene is left or come back to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from viddiff.errors import InputError
from viddiff.metrics.base import Facts, MetricSettings, Rows, set_metric
from viddiff.metrics.changes import made_frames
from viddiff.metrics.lags import LAGS

SMALLEST = 1e-7  # less is rounding


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"pairs": "of generated frames", "longest_lag": "half the number of generated frames"}


def lpips_against_lag(made: Rows, truth: Rows, facts: Facts) -> tuple[list[float], list[float]]:
    """The mean LPIPS of two frames for each lag between them."""
    distances = _distances(made, facts)
    return [float(lag) for lag in LAGS[: len(distances)]], distances.tolist()


@set_metric(
    "lag",
    descriptor="lags",
    protocol=protocol,
    better="truth",
    unit="made / true",
    curve=lpips_against_lag,
    axis="lag",
    meaning=(
        "How different frames some time apart look to a network (LPIPS), over the same of the "
        "true videos. Below 1: frames stay too alike. The curve is this LPIPS itself."
    ),
)
def lag(made: Rows, truth: Rows, facts: Facts) -> float:
    """Mean over lags of the completions' LPIPS over the truth's, at least 0; that of the truth is 1.

    Raises `InputError` for fewer than two generated frames, and if the true videos have equal frames at a lag.
    """
    true = _distances(truth, facts)
    if true.min() < SMALLEST:
        number = int((true < SMALLEST).argmax())
        raise InputError(f"true frames {LAGS[number]} apart are equal: there is no change to compare with")
    return float((_distances(made, facts) / true).mean())


def _distances(rows: Rows, facts: Facts) -> Float64[np.ndarray, " l"]:
    """The mean LPIPS for each lag that has pairs enough."""
    by_lag = rows.reshape(len(rows), len(LAGS), -1)
    own = made_frames(facts, by_lag.shape[-1])
    if own.sum() < 2:
        raise InputError(f"needs 2 generated frames or more, found {own.sum()}")
    means = []
    for number, lag in enumerate(LAGS):
        pairs = own[:-lag] & own[lag:]
        if lag > own.sum() // 2 or not pairs.any():
            break
        means.append(by_lag[:, number, :-lag][:, pairs].mean(dtype=np.float64))
    return np.array(means)
