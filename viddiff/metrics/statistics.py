"""How far a number may lie from what it estimates, and whether two differ: errors, intervals, tests.

The unit that is drawn is a test video: a true video and all its samples are kept or left out together. No percentile
bootstrap: what is biased by repeated videos, as the Fréchet distance is, lies outside of its intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Jackknife:
    """What `jackknife` gives: the statistic of all videos, its standard error, and a pseudo-value of each video."""

    value: Float64[np.ndarray, " *k"]
    error: Float64[np.ndarray, " *k"]
    pseudo_values: Float64[np.ndarray, " V *k"]


def jackknife(statistic: Callable[[Int[np.ndarray, " n"]], Any], count: int) -> Jackknife:
    """The delete-one jackknife of a statistic of `count` >= 2 videos (Efron and Stein 1981).

    `statistic(indices)` gives a number, or an array of numbers, from the videos of these indices. The pseudo-value of
    video i is `V theta - (V - 1) theta_(i)` (Tukey 1958), with theta_(i) the statistic of all videos but i; the error
    is the standard error of their mean, `sqrt((V - 1)/V sum_i (theta_(i) - mean theta_(.))^2)`.
    """
    everyone = np.arange(count)
    value = np.asarray(statistic(everyone), np.float64)
    left_out = np.stack([np.asarray(statistic(np.delete(everyone, i)), np.float64) for i in everyone])
    pseudo_values = count * value - (count - 1) * left_out
    error = np.asarray(pseudo_values.std(0, ddof=1) / math.sqrt(count))
    return Jackknife(value, error, pseudo_values)


def standard_error(values: Float[np.ndarray, " n"]) -> float | None:
    """Of the mean of independent values: sample standard deviation over the root of the count; `None` for one value."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None


def pooled_standard_error(values: Float[np.ndarray, "V S"]) -> float | None:
    """How far the mean lies for other samples of the same videos; `None` for one sample.

    `sqrt(sum_vs (x_vs - mean_s x_vs)^2 / (V (S - 1)) / (V S))`: samples of a video are independent, so that the
    variance within videos, pooled over videos, tells the error of the mean. It has V (S - 1) degrees of freedom, where
    the variance of the S sample indices' means has S - 1.
    """
    videos, samples = values.shape
    if samples == 1:
        return None
    return float(math.sqrt(values.var(1, ddof=1).mean() / (videos * samples)))


def interval(mean: float, error: float, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The confidence interval of a mean of `count` values with this standard error, by Student's t."""
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * error
    return mean - half, mean + half


def sign_flip_test(differences: Float[np.ndarray, " V"], permutations: int = 9999, seed: int = 0) -> float:
    """The p of the hypothesis that paired differences are as often negative as positive (Fisher 1935, section 21).

    The mean is compared with those after a change of random signs, or of all signs if there are no more than
    `permutations`; two-sided. Needs two videos or more.
    """
    result = stats.permutation_test(
        (differences,),
        lambda x, axis: x.mean(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=permutations,
        batch=1000,
        random_state=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def label_flips(videos: int, permutations: int = 999, seed: int = 0) -> Bool[np.ndarray, "P V"]:
    """Which videos exchange the labels of two modes in each permutation of a paired test.

    All 2^V if there are no more than `permutations`, the one that exchanges none first; else random ones.
    """
    if 2**videos <= permutations:
        return (np.arange(2**videos)[:, None] >> np.arange(videos)) % 2 == 1
    return np.random.default_rng(seed).random((permutations, videos)) < 0.5


def permutation_p(
    observed: float, permuted: Float[np.ndarray, " P"], exact: bool, tolerance: float = 1e-9
) -> float:
    """The two-sided p of a difference, by those after permutations of the labels.

    exact: whether these are all that there are, the observed one included; else it counts as one more,
    `(1 + #{|d| >= |observed|}) / (1 + P)` (Phipson and Smyth 2010, eq. 2). Differences within `tolerance`, relative to
    the largest, count as equal.
    """
    slack = tolerance * max(abs(observed), float(np.abs(permuted).max(initial=0.0)))
    extreme = int((np.abs(permuted) >= abs(observed) - slack).sum())
    return extreme / len(permuted) if exact else (1 + extreme) / (1 + len(permuted))


def holm(p: Sequence[float]) -> list[float]:
    """The p of several tests, adjusted so that with none of the hypotheses wrong one test or more rejects with
    probability alpha at most (Holm 1979).

    The k-th smallest of m is multiplied by m - k + 1; none may be smaller than one before it, none above 1.
    """
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(np.asarray(p, np.float64)[order] * factors), 1.0)
    result = np.empty(len(p))
    result[order] = adjusted
    return result.tolist()
