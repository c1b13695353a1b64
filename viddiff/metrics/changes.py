"""Changes between neighbouring frames of a video, and which of them are a completion's own.

A *transition* t leads from frame t to frame t + 1; its change is mean_p |x_(t+1)p - x_tp| over the pixels and channels
of frames in [0, 1].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64

from viddiff.errors import InputError
from viddiff.metrics.base import Facts, MetricSettings, Rows, TrueRows, Videos, descriptor, frame_chunks

VALUES_PER_CHUNK = 2**18


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"change": "mean absolute difference of neighbouring frames in [0, 1]"}


@descriptor("changes", protocol=protocol, beyond=True)
def changes(videos: Videos, obs_length: int, settings: MetricSettings) -> Float64[np.ndarray, "B D"]:
    """The change of each transition, `[B, T - 1]`, in [0, 1]. Summed in integers: exact."""
    count, length, *frame = videos.shape
    values = math.prod(frame)
    result = np.empty((count, length - 1))
    for video, row in zip(videos, result, strict=True):
        for chunk in frame_chunks(length - 1, values, VALUES_PER_CHUNK):
            before, after = video[chunk], video[chunk.start + 1 : chunk.stop + 1]
            difference = np.maximum(before, after) - np.minimum(before, after)  # no uint8 is negative
            row[chunk] = difference.sum((1, 2, 3), dtype=np.int64) / (255.0 * values)
    return result


def made_frames(facts: Facts, length: int) -> Bool[np.ndarray, " T"]:
    """Which of `length` frames were made, not given; without a plan those from `obs_length` on but for goals."""
    if facts.stage_of:
        return np.array(facts.stage_of)[:length] >= 0
    frames = np.arange(length)
    return (frames >= facts.obs_length) & ~np.isin(frames, facts.goals)


def between_made_frames(facts: Facts, rows: Rows) -> Bool[np.ndarray, " D"]:
    """Transitions from a made frame to a made frame, of the completions' rows or of the truth's.

    Raises `InputError` if there are none.
    """
    made = made_frames(facts, rows.shape[1] + 1)
    chosen = made[:-1] & made[1:]
    if not chosen.any():
        raise InputError(
            f"needs two generated frames in succession, found {made.sum()} generated of {len(made)}"
        )
    return chosen


def true_changes(facts: Facts, truth: TrueRows) -> Float[np.ndarray, "V d"]:
    """The changes of the true videos between made frames.

    Raises `InputError` if there are none, or if the true videos do not change in any of them.
    """
    changed = truth[:, between_made_frames(facts, truth)]
    check_that_truth_moves(changed)
    return changed


def check_that_truth_moves(truth: Rows) -> None:
    """Raise `InputError` if no change of the true videos is above 0."""
    if not truth.any():
        raise InputError("the true videos stand still: there is no change to compare with")
