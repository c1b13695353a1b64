"""Videos without replacement: each comes once before any comes again, in every epoch in another order.

An order depends on the seed and the number of the epoch alone. So the video at any place is known without those before
it: it does not matter which process asks, nor where a training goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Int64

_ORDER = 1  # the fourth number of a seed, which no other has


@dataclass(frozen=True)
class Epochs:
    """Endless places, each with one of so many videos. stream: a number; others of the same seed have other orders."""

    videos: int
    seed: int
    stream: int

    def video(self, place: int) -> int:
        """The index of the video at a place, from 0."""
        epoch, number = divmod(place, self.videos)
        return int(_order(self.videos, self.seed, self.stream, epoch)[number])


@lru_cache(maxsize=4)  # of two streams, at the border of two epochs
def _order(videos: int, seed: int, stream: int, epoch: int) -> Int64[np.ndarray, " videos"]:
    return np.random.default_rng([seed, epoch, stream, _ORDER]).permutation(videos)
