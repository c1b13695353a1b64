"""Whether two modes differ in a metric, by the test videos that both complete: a difference, its error and a p.

The unit is a test video. Of what has a number for each video, a mean or a pseudo-value of the jackknife, the paired
differences change their signs (Fisher 1935). Of the Fréchet distance, which is dominated by a bias that depends on all
videos, the two modes exchange their completions, video by video.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy import stats

from viddiff.metrics.frechet import exchanged_distances
from viddiff.metrics.statistics import label_flips, permutation_p, sign_flip_test, standard_error

PERMUTATIONS = 999
_BLOCK = 100  # permutations between two looks at whether it is clear
_ENOUGH = 50  # permuted differences as large as the observed one
_CLEAR = 1e-4
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Difference:
    """A metric of one mode less that of another; error and p are `None` for one video."""

    value: float
    error: float | None
    p: float | None


def paired_difference(
    a: Float[np.ndarray, " V"], b: Float[np.ndarray, " V"], value: float | None = None
) -> Difference:
    """Of numbers of each video, `a` less `b`. value: the difference that is reported, by default that of the means.

    Pseudo-values of a metric with a bias have another mean: they are moved to the value, so that p is of what is told.
    """
    differences = a - b
    error = standard_error(differences)
    mean = float(differences.mean())
    value = mean if value is None else value
    if error and abs(value - mean) > _ROUNDING * max(abs(value), error):
        differences += value - mean
    if error is None:
        return Difference(value, None, None)
    p = 1.0 if not differences.any() else _or_tail(sign_flip_test(differences), differences, error)
    return Difference(value, error, p)


def distances_differ(
    a: Float[np.ndarray, "V S D"],
    b: Float[np.ndarray, "V Z D"],
    truth: Float[np.ndarray, "V D"],
    ddof: int = 1,
) -> float:
    """The p of the hypothesis that two modes have the same Fréchet distance from the truth, by their features.

    The statistic is the difference of the means over sample indices that both have. It is compared with what is left
    after the modes have exchanged all samples of some videos: all ways if they are no more than `PERMUTATIONS`, else
    random ones, fewer where it is clear before. See `exchange_test`. ddof: as in `frechet_distance`.
    """

    def statistic(flips: Bool[np.ndarray, "P V"]) -> Float64[np.ndarray, " P"]:
        distances = [
            exchanged_distances(a[:, sample], b[:, sample], truth, flips, ddof)
            for sample in range(min(a.shape[1], b.shape[1]))
        ]
        mean = np.mean(distances, 0)
        return mean[:, 0] - mean[:, 1]

    return exchange_test(statistic, len(truth))


def exchange_test(
    statistic: Callable[[Bool[np.ndarray, "P V"]], Float64[np.ndarray, " P"]], videos: int
) -> float:
    """The two-sided p of a difference, `statistic` of exchanges `[P, V]`, compared with that of no exchange.

    Random permutations end when 50 differences are as large as the observed one (Besag and Clifford 1991), or when it
    is clear that none will be. Where none is, p is below what so few can resolve: then it is the tail beyond the
    observed difference of Student's t with the spread of the permuted ones, at least `2^(1 - V)`, the smallest of all.
    """
    observed = float(statistic(np.zeros((1, videos), bool))[0])
    flips = label_flips(videos, PERMUTATIONS)
    if len(flips) == 2**videos:
        return permutation_p(observed, statistic(flips), exact=True)
    permuted = np.empty(0)
    for first in range(0, len(flips), _BLOCK):
        permuted = np.concatenate([permuted, statistic(flips[first : first + _BLOCK])])
        p = permutation_p(observed, permuted, exact=False)
        if p * (1 + len(permuted)) > _ENOUGH:
            return p
        tail = _tail(observed, math.sqrt(float(np.square(permuted).mean())), videos)
        if len(permuted) > _BLOCK and tail < _CLEAR and p <= 1 / len(permuted):
            break
    return min(p, tail) if p <= 1 / len(permuted) else p


def smallest_p(videos: int) -> float:
    """The smallest p that a paired test of so few videos can have: all signs are one of 2^V ways, or all the other."""
    return 2.0 ** (1 - videos)


def _or_tail(p: float, differences: Float[np.ndarray, " V"], error: float) -> float:
    """The p of random sign flips; where none was as large as what is observed, the tail of Student's t."""
    resolved = 2 / (1 + 9999)
    if p > resolved or 2 ** len(differences) <= 9999:
        return p
    spread = math.sqrt(float(np.square(differences).mean()) / len(differences))
    return min(p, _tail(float(differences.mean()), spread, len(differences)))


def _tail(observed: float, spread: float, videos: int) -> float:
    """Both tails of Student's t beyond a difference. spread: of the permuted differences, about zero."""
    if spread == 0:
        return 1.0
    return max(float(2 * stats.t.sf(abs(observed) / spread, videos - 1)), smallest_p(videos))
