"""Ball steps: sums over the balls of each frame, of how far they came and whether as the laws of the box have it."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from viddiff.errors import InputError
from viddiff.metrics.ball_tracks import REACH, predict, track_balls
from viddiff.metrics.balls import discs_protocol
from viddiff.metrics.base import Facts, MetricSettings, Rows, Videos, descriptor
from viddiff.metrics.changes import made_frames

TOLERANCE = 0.1  # in the units of the box, a third of a pixel of 32
SUMS = ("steps", "distance", "predicted", "lawful", "due", "bounced")


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return discs_protocol() | {
        "reach": REACH,
        "prediction": "from two frames, with all balls that are seen",
        "tolerance": TOLERANCE,
    }


@descriptor("ball-steps", protocol=protocol, beyond=True)
def ball_steps(videos: Videos, obs_length: int, settings: MetricSettings) -> Float64[np.ndarray, "B D"]:
    """Six sums of frame 0, then of frame 1, and so on, `[B, 6 T]`, over the steps of balls that end in that frame.

    `steps`: balls that come from one of the frame before, `distance`: how far. `predicted`: those that have a place to
    be, `lawful`: are within `TOLERANCE` of it. `due`: those whose place is more than twice that from the one straight
    on, `bounced`: are nearer the former. A ball that is not there is neither lawful nor bounced.
    """
    rows = np.zeros((len(videos), videos.shape[1], len(SUMS)))
    for video, row in zip(videos, rows, strict=True):
        tracks = track_balls(video)
        lawful, straight = predict(video, tracks)
        moved, off, off_straight, bend = (
            np.linalg.norm(difference[:-1], axis=-1)
            for difference in (
                tracks.after - tracks.centres,
                tracks.after - lawful,
                tracks.after - straight,
                lawful - straight,
            )
        )
        due = bend > 2 * TOLERANCE  # comparisons with NaN are false
        sums = (
            np.isfinite(moved),
            np.nan_to_num(moved),
            np.isfinite(bend),
            off <= TOLERANCE,
            due,
            due & (off < off_straight),
        )
        row[1:] = np.stack([each.sum(1) for each in sums], 1)
    return rows.reshape(len(videos), -1)


def sums_of(rows: Rows, facts: Facts) -> dict[str, Float64[np.ndarray, "V F"]]:
    """Each of the six sums, of the frames that were made."""
    sums = rows.reshape(len(rows), -1, len(SUMS))
    sums = sums[:, made_frames(facts, sums.shape[1])]
    return dict(zip(SUMS, np.moveaxis(sums, -1, 0), strict=True))


def share(rows: Rows, facts: Facts, part: str, whole: str, what: str) -> float:
    """One sum over another, over all videos and made frames. Raises `InputError` if the latter is 0."""
    sums = sums_of(rows, facts)
    if not sums[whole].any():
        raise InputError(f"no generated frame has {what}")
    return float(sums[part].sum() / sums[whole].sum())
