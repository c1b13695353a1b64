"""Drift: how far the look of the frames moves from the first to the last 15 % of what was generated.

    drift = mean_v |mean of s over the last 15 % - mean of s over the first 15 %|

with s = (brightness, contrast, saturation) of a frame of `looks.py` and the Euclidean length. The measure of start
against end is that of long-video generation (Zhang & Agrawala 2025, "start-end contrast"). True videos change as well:
theirs is the value to compare with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from viddiff.errors import InputError
from viddiff.metrics.base import Facts, MetricSettings, Rows, TrueRows, set_metric
from viddiff.metrics.changes import made_frames
from viddiff.metrics.looks import NUMBERS

SHARE = 0.15


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"frames": f"first and last {SHARE:.0%} of the generated frames, one at least"}


def drift_against_time(made: Rows, truth: TrueRows, facts: Facts) -> tuple[list[float], list[float]]:
    """The mean distance of each generated frame's look from that of the first 15 % of them."""
    frames, looks = _generated(made, facts)
    distances = np.linalg.norm(looks - _start(looks), axis=-1)
    return frames.astype(float).tolist(), distances.mean(0).tolist()


@set_metric(
    "drift",
    descriptor="looks",
    protocol=protocol,
    better="truth",
    curve=drift_against_time,
    axis="frame",
    meaning=(
        "How far brightness, contrast and saturation move from the first to the last 15 % of the "
        "generated frames. 0.01: by 1 % of the range of grey levels."
    ),
)
def drift(made: Rows, truth: TrueRows, facts: Facts) -> float:
    """Drift of completions, for frames in [0, 1]. Raises `InputError` for fewer than two generated frames."""
    _, looks = _generated(made, facts)
    change = _start(looks[:, ::-1]) - _start(looks)
    return float(np.linalg.norm(change, axis=-1).mean())


def _generated(rows: Rows, facts: Facts) -> tuple[Int[np.ndarray, " F"], Float64[np.ndarray, "V F 3"]]:
    """The generated frames and their looks."""
    looks = rows.reshape(len(rows), -1, NUMBERS)
    frames = made_frames(facts, looks.shape[1]).nonzero()[0]
    if len(frames) < 2:
        raise InputError(f"needs 2 generated frames or more, found {len(frames)}")
    return frames, looks[:, frames]


def _start(looks: Float64[np.ndarray, "V F 3"]) -> Float64[np.ndarray, "V 1 3"]:
    """The mean look of the first 15 % of frames."""
    return looks[:, : max(1, round(SHARE * looks.shape[1]))].mean(1, keepdims=True)
