"""Bouncing balls behind a curtain: the videos of `bouncy_balls`, of which a curtain hides the left half.

Balls that go behind it bounce off walls and each other there as they do elsewhere, and come out again: who completes
such a video has to remember them. Hidden pixels are grey. Video i moves as video i of `bouncy_balls` of the same
settings does, which shows what is behind.
"""

from __future__ import annotations

import os

import numpy as np
from jaxtyping import Float32

from viddiff.data.base import dataset
from viddiff.data.bouncy_balls import BOX, LENGTH, BouncyBalls, made_videos, write_videos

CURTAIN = 5.0  # from the left wall to its edge, in the units of the box
GREY = 0.5


def hang_curtain(videos: Float32[np.ndarray, "N T 1 H W"]) -> None:
    """Hide what is behind the curtain, in place: all pixels whose centres are left of its edge."""
    centres = (np.arange(videos.shape[-1]) + 0.5) * (BOX / videos.shape[-1])
    videos[..., centres < CURTAIN] = GREY


def write_bouncy_balls_curtain(
    root: str | os.PathLike[str], split: str, n_videos: int, length: int = LENGTH, seed: int = 0
) -> None:
    """Write `<root>/bouncy_balls_curtain/<split>.pt`, from the seeds of `write_bouncy_balls`."""
    videos = made_videos(split, n_videos, length, seed)
    hang_curtain(videos)
    write_videos(root, "bouncy_balls_curtain", split, videos)


@dataset("bouncy_balls_curtain", image_size=32)
class BouncyBallsCurtain(BouncyBalls):
    """Read as `bouncy_balls` is."""
