"""Ball returns: whether balls come out from behind the curtain where and when the true ones do.

A ball returns in the frame in which it is first more than half out: its centre, tracked as in `ball_tracks.py`, passes
the curtain's edge. Returns of a completion and of the true video are paired one to one, as many as can be, where
they are at most `FRAMES` frames and `HEIGHT`, the radius of a ball, apart; and over all videos

    ball_returns = 2 pairs / (returns made + true returns)

which is the F1 score: 1 if each ball that is to return does and no other, 0 if none does in time. Only generated frames
count.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment

from viddiff.data.bouncy_balls import BALLS, RADIUS
from viddiff.data.bouncy_balls_curtain import CURTAIN
from viddiff.errors import InputError
from viddiff.metrics.ball_tracks import REACH, track_balls
from viddiff.metrics.balls import discs_protocol
from viddiff.metrics.base import Facts, MetricSettings, Rows, Videos, descriptor, set_metric
from viddiff.metrics.changes import made_frames
from viddiff.metrics.discs import has_curtain

FRAMES = 3
HEIGHT = RADIUS
NONE = -1.0  # in the place of a height; these lie in the box


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"score": "F1 over all videos", "frames": FRAMES, "height": HEIGHT}


def heights_protocol(settings: MetricSettings) -> dict[str, Any]:
    return discs_protocol() | {"reach": REACH, "return": "half out"}


@descriptor("ball-returns", protocol=heights_protocol)
def return_heights(videos: Videos, obs_length: int, settings: MetricSettings) -> Float64[np.ndarray, "B D"]:
    """The heights at which balls return in frame 0, then in frame 1, and so on: three of each frame, -1 for none.

    Raises `InputError` for frames that are not square.
    """
    rows = np.full((len(videos), videos.shape[1], BALLS), NONE)
    for video, row in zip(videos, rows, strict=True):
        tracks, curtain = track_balls(video), has_curtain(video)[:, None]
        out = (tracks.before[..., 0] < CURTAIN) & (tracks.centres[..., 0] >= CURTAIN) & curtain
        for frame in np.flatnonzero(np.any(out, axis=1)):
            heights = tracks.centres[frame, out[frame], 1][:BALLS]
            row[frame, : len(heights)] = heights
    return rows.reshape(len(videos), -1)


def returns_of(row: Float64[np.ndarray, " D"], facts: Facts) -> Float64[np.ndarray, "n 2"]:
    """The frame and height of each return of a video into a frame that was made."""
    heights = row.reshape(-1, BALLS)
    frame, number = ((heights != NONE) & made_frames(facts, len(heights))[:, None]).nonzero()
    return np.stack([frame, heights[frame, number]], 1)


def pairs(made: Float64[np.ndarray, "m 2"], true: Float64[np.ndarray, "n 2"]) -> int:
    """How many returns can be paired that are near enough to each other."""
    near = (np.abs(made[:, None] - true) <= (FRAMES, HEIGHT)).all(-1)
    return int(near[linear_sum_assignment(near, maximize=True)].sum())


@set_metric(
    "ball_returns",
    descriptor="ball-returns",
    protocol=protocol,
    better="higher",
    unit="F1",
    datasets=("bouncy_balls_curtain",),
    meaning="Whether balls come out from behind the curtain where and when the true ones do; 1: all, and no others.",
)
def ball_returns(made: Rows, truth: Rows, facts: Facts) -> float:
    """The score, in [0, 1]. Raises `InputError` if no true ball returns in a generated frame."""
    found = [returns_of(row, facts) for row in made]
    wanted = [returns_of(row, facts) for row in truth]
    if not (due := sum(map(len, wanted))):
        raise InputError("no true ball comes out from behind a curtain in a generated frame")
    return 2 * sum(map(pairs, found, wanted)) / (due + sum(map(len, found)))
