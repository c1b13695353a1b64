"""Balls from frame to frame: which go on as which, how far they move, and where they have to be.

A ball of a frame goes on as a ball of the next one if the two are paired by the assignment of the least sum of
distances (Kuhn 1955), and no more than `REACH` apart, twice what all energy in one ball would do: no ball jumps.

Where a ball was in the frame before tells its velocity. From there the exact simulation of `bouncy_balls.simulate` goes
on for a frame, with all balls that are seen: straight on, off walls and off other balls. Of a video with a curtain only
those are predicted that are more than a diameter from its edge: no ball that is hidden reaches them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8
from scipy.optimize import linear_sum_assignment

from viddiff.data.bouncy_balls import RADIUS, SPEED, simulate
from viddiff.data.bouncy_balls_curtain import CURTAIN
from viddiff.metrics.discs import MOST, behind_curtain, count_discs, find_discs, has_curtain

REACH = 2 * SPEED
Places = Float64[np.ndarray, "T 8 2"]


@dataclass(frozen=True)
class Tracks:
    """The balls of a video of T frames, in the units of the box.

    `centres`: (x, y) of each, NaN where there are no more. Of the same balls: `before`, where each was in the frame
    before, and `after`, where it is in the next one, NaN if nowhere.
    """

    centres: Places
    before: Places
    after: Places


def track_balls(video: UInt8[np.ndarray, "T C H W"]) -> Tracks:
    """The balls of a video. Raises `InputError` for frames that are not square."""
    centres = find_discs(video, behind_curtain(video))
    before, after = np.full_like(centres, np.nan), np.full_like(centres, np.nan)
    counts = count_discs(centres)
    for t in range(len(video) - 1):
        here, there = centres[t, : counts[t]], centres[t + 1, : counts[t + 1]]
        distances = np.linalg.norm(here[:, None] - there, axis=-1)
        one, other = linear_sum_assignment(distances)
        near = distances[one, other] <= REACH
        one, other = one[near], other[near]
        after[t, one], before[t + 1, other] = there[other], here[one]
    return Tracks(centres, before, after)


def predict(video: UInt8[np.ndarray, "T C H W"], tracks: Tracks) -> tuple[Places, Places]:
    """Where each ball of a frame has to be in the next one, and where straight on is.

    NaN of balls of which no velocity is known, and near a curtain.
    """
    curtain = has_curtain(video)
    near = (tracks.centres[..., 0] < CURTAIN + 2 * RADIUS) & curtain[:, None]
    velocity = np.where(near[..., None], np.nan, tracks.centres - tracks.before)
    lawful = np.full_like(velocity, np.nan)
    counts = count_discs(tracks.centres)
    for number in range(1, MOST + 1):
        frames = np.flatnonzero(counts == number)
        if len(frames):
            x, v = (
                tracks.centres[frames, :number],
                tracks.centres[frames, :number] - tracks.before[frames, :number],
            )
            lawful[frames, :number] = simulate(x, np.nan_to_num(v), 2)[0][:, 1]
    return np.where(np.isfinite(velocity), lawful, np.nan), tracks.centres + velocity
