"""Completions that need no model, which any mode should beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

MID_GREY = 128


def last_frame_repeated(
    truth: UInt8[np.ndarray, "T C H W"], obs_length: int, goals: Sequence[int] = ()
) -> UInt8[np.ndarray, "T C H W"]:
    """The video that stands still: each generated frame is the newest given frame before it.

    Given are the first `obs_length` frames and the `goals`, which stay as they are. Frames before the first given one
    are mid grey, all channels 128: nothing is known of them.
    """
    given = {*range(obs_length), *goals}
    video = np.full_like(truth, MID_GREY)
    newest = -1
    for frame in range(len(truth)):
        if frame in given:
            newest = frame
        if newest >= 0:
            video[frame] = truth[newest]
    return video
