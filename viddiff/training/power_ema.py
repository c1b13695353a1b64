"""Averages of the weights whose length is chosen after training: Karras et al. 2024 (arXiv 2312.02696), section 3.

A power-function average of length sigma_rel weighs the weights of training step tau by `tau^gamma`, so that its spread
is sigma_rel of the training so far, however long that is. Training keeps two of them and saves them with every set. Any
other length follows nearly from all saved ones, as a sum with the weights whose profile is nearest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from viddiff.errors import InputError

LENGTHS = (0.05, 0.1)
"""sigma_rel of the averages that training keeps: section 3.2 of the paper."""
SHORTEST, LONGEST = 0.01, 0.25
WORST = 0.1
"""The largest distance of profiles, relative to the wanted one, at which a sum still stands for it."""


class Snapshot(NamedTuple):
    """An average of a length that was saved after some updates."""

    step: int
    length: float


@lru_cache(maxsize=100)
def exponent(length: float) -> float:
    """gamma of a length: `sigma_rel^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3))`, eqs. 4 and 126 of the paper."""
    inverse = length**-2
    return float(np.roots([1.0, 7.0, 16.0 - inverse, 12.0 - inverse]).real.max())


def power_rate(length: float, step: int) -> float:
    """The rate in the update after `step` updates: `(1 - 1 / t)^(gamma + 1)` with t = step + 1, eq. 127.

    In the first one it is 0: the initial weights do not count.
    """
    return float((1.0 - 1.0 / (step + 1)) ** (exponent(length) + 1.0))


def profile_product(a: Snapshot, b: Snapshot) -> float:
    """The integral of the product of two profiles, `p(tau) = (gamma + 1) tau^gamma / t^(gamma + 1)` up to t each."""
    first, last = sorted((a, b))
    low, high = exponent(first.length), exponent(last.length)
    ratio = math.exp(high * (math.log(first.step) - math.log(last.step)))
    return (low + 1.0) * (high + 1.0) / (low + high + 1.0) * ratio / last.step


def combination(snapshots: Sequence[Snapshot], wanted: Snapshot) -> tuple[list[float], float]:
    """The weights of the snapshots whose sum has the profile nearest to the wanted one, and their distance.

    Least squares, algorithm 3 of the paper. The distance is relative to the wanted profile. Raises `InputError` if it
    is more than `WORST`.
    """
    own = profile_product(wanted, wanted)
    scale = np.sqrt([profile_product(one, one) for one in snapshots])  # else the first ones are far smaller
    gram = np.array([[profile_product(a, b) for b in snapshots] for a in snapshots]) / np.outer(scale, scale)
    right = np.array([profile_product(one, wanted) for one in snapshots]) / scale
    weights = np.linalg.lstsq(gram, right, rcond=1e-13)[0]
    distance = math.sqrt(max(0.0, own - 2.0 * weights @ right + weights @ gram @ weights) / own)
    if distance > WORST:
        raise InputError(
            f"an average of length {wanted.length} at step {wanted.step} cannot be made of the {len(snapshots)} that "
            f"were saved: their nearest sum is {distance:.0%} off, at most {WORST:.0%} is allowed; save more often, or "
            f"choose a length nearer to {' or '.join(map(str, LENGTHS))}"
        )
    return list(weights / scale), distance


def check_length(length: float) -> None:
    """Raise `InputError` for a length that is out of range."""
    if not SHORTEST <= length <= LONGEST:
        raise InputError(f"length is {length}, must be {SHORTEST} to {LONGEST} (of the training)")
