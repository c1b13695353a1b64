"""Whether modes differ: all pairs of evaluations of a grid that completed the same videos, in each metric.

A pair differs in one thing: in the mode, or in the run and checkpoint. Both were measured on the same frames of the
same videos by the same protocol, or the pair is named as not compared. Tests are paired by video (docs/metrics.md); p
is adjusted for all pairs of the grid in that metric (Holm 1979), so that with no differences at all, one of them or
more is declared in one grid of twenty at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from viddiff.errors import InputError, reading
from viddiff.files.npz import load_arrays
from viddiff.metrics.pair_tests import Difference, distances_differ, paired_difference, smallest_p
from viddiff.metrics.settings import DDOF
from viddiff.metrics.statistics import CONFIDENCE, holm, interval
from viddiff.report.records import Record, differences, is_of_sets
from viddiff.report.summary import Summary
from viddiff.tree.paths import RESULTS

ALPHA = 1 - CONFIDENCE
MOST_BYTES = 2**32  # of rows, unpacked
LARGEST = 1e30  # number in a row

OF_SO_MANY_SAMPLES = ("skill", "spread")  # the same mode has another value with more samples of each video
_TOO_FEW = 2  # videos for a jackknife of what needs two

_COLUMNS = [
    "metric",
    "run a",
    "checkpoint a",
    "mode a",
    "run b",
    "checkpoint b",
    "mode b",
    "videos",
    "a",
    "b",
    "difference",
    "low",
    "high",
    "p",
    "p holm",
    "verdict",
]


@dataclass(frozen=True)
class Pair:
    """A metric of two evaluations: `a` less `b`.

    difference: `None` if they are not compared, for that reason; p_holm: adjusted for all pairs of the metric that are
    tested, which are so many.
    """

    a: Record
    b: Record
    metric: str
    difference: Difference | None
    reason: str = ""
    p_holm: float | None = None
    tests: int = 1

    @property
    def videos(self) -> int:
        """Test videos of both."""
        return self.a.videos

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The 95 % interval of the difference."""
        if self.difference is None or self.difference.error is None:
            return None, None
        return interval(self.difference.value, self.difference.error, self.videos)

    @property
    def verdict(self) -> str:
        """The answer in words."""
        return self.verdict_of(*_short_names(self.a, self.b))

    def verdict_of(self, a: str, b: str) -> str:
        """The answer in words, with these names for the two."""
        if self.difference is None:
            return f"not compared: {self.reason}"
        if self.difference.p is None or self.p_holm is None:
            return "one video: no test"
        if self.p_holm <= ALPHA:
            positive, better = self.difference.value > 0, self.a.metrics[self.metric].better
            if not better:
                return f"{a if positive else b} is higher"
            return f"{a if positive == (better == 'higher') else b} is better"
        if self.least > ALPHA:
            return f"too few videos to tell: p cannot fall below {self.least:.3g}"
        return "no difference shown"

    @property
    def least(self) -> float:
        """The smallest adjusted p that any data of so few videos could have in so many tests."""
        return min(1.0, self.tests * smallest_p(self.videos))


def compare_pairs(
    paths: Sequence[Path],
    root: str | Path = RESULTS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Pair]:
    """All pairs of metrics files, in each metric; root: the tree of results, with which paths begin.

    Of metrics that are best near the truth, the distances from the value of the truth are compared. progress: called
    with the pairs that are done, and their number.

    Raises `InputError` naming a file that is unreadable.
    """
    records = [Record.read(path, root) for path in paths]
    chosen = [pair for pair in combinations(records, 2) if _differ_in_one_thing(*pair)]
    pairs: list[Pair] = []
    for number, (a, b) in enumerate(chosen, 1):
        pairs.extend(compare_two(a, b))
        progress(number, len(chosen))
    return adjusted(pairs)


def pair_table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """A row for each pair and metric.

    Columns: metric; run, checkpoint and mode of a and of b; videos; the values a and b; difference (a less b; of
    metrics that are best near the truth that of the distances from it), low and high, its 95 % interval; p; p holm;
    verdict.
    """
    return pd.DataFrame([_row(pair) for pair in pairs], columns=_COLUMNS)


def _differ_in_one_thing(a: Record, b: Record) -> bool:
    return (a.names[:2] == b.names[:2]) != (a.names[2] == b.names[2])


def compare_two(a: Record, b: Record) -> Iterator[Pair]:
    """A pair for each metric that either has, or one of no metric if they are of other videos; not adjusted."""
    if a.of_what != b.of_what:
        yield Pair(a, b, "", None, f"{_unlike(a, b)} differ")
        return
    for metric in dict.fromkeys([*a.metrics, *b.metrics]):
        lacking = [record for record in (a, b) if metric not in record.metrics]
        if lacking:
            yield Pair(a, b, metric, None, f"{lacking[0].path} lacks it")
            continue
        if metric in OF_SO_MANY_SAMPLES and a.samples != b.samples:
            yield Pair(
                a, b, metric, None, f"it depends on the number of samples, {a.samples} and {b.samples}"
            )
            continue
        protocols = differences([record.with_metrics([metric]) for record in (a, b)])
        if any(protocols):
            yield Pair(a, b, metric, None, " and ".join(protocols))
            continue
        try:
            yield Pair(a, b, metric, _difference(a, b, metric))
        except InputError as error:
            yield Pair(a, b, metric, None, str(error))


def _difference(a: Record, b: Record, metric: str) -> Difference:
    """Of a metric that both have by the same protocol. Raises `InputError` if their files tell too little."""
    ours, theirs = a.metrics[metric], b.metrics[metric]
    for record, summary in ((a, ours), (b, theirs)):
        if summary.mean is None:
            raise InputError(f"it is not defined in {record.path}")
        if summary.per_video is None and record.videos == _TOO_FEW and is_of_sets(metric):
            raise InputError(f"of {_TOO_FEW} videos it has no error")
        if summary.per_video is None and record.videos > 1:
            raise InputError(
                f"{record.path} does not tell its values by video: remove it to have it measured anew"
            )
        if summary.per_video is not None and len(summary.per_video) != record.videos:
            raise InputError(f"{record.path} has {len(summary.per_video)} values of {record.videos} videos")
    (x, one), (y, other) = (_from_truth(summary) for summary in (ours, theirs))
    if one is None or other is None:
        return Difference(x - y, None, None)
    found = paired_difference(one, other, x - y)
    descriptor = _exchanged(metric)
    if descriptor and found.p is not None:
        (truth, made), (other_truth, others) = (_rows(record, descriptor) for record in (a, b))
        if truth.shape != other_truth.shape:
            raise InputError(f"rows of {descriptor} are {list(truth.shape)} and {list(other_truth.shape)}")
        found = replace(found, p=distances_differ(made, others, truth, _ddof(ours)))
    if not (math.isfinite(found.value) and math.isfinite(found.error or 0.0)):
        raise InputError("its values are too large to be compared")
    return found


def _exchanged(metric: str) -> str:
    """The descriptor of a Fréchet distance, which is tested by exchange; "" of other metrics."""
    if metric == "fvd":
        return "i3d"
    distance, _, network = metric.partition("-")
    return network if distance == "fd" else ""


def _ddof(summary: Summary) -> int:
    """Of the covariances by which a Fréchet distance was measured. Raises `InputError` if its file does not tell."""
    covariance = summary.protocol.get("covariance")
    if covariance not in DDOF:
        raise InputError(f"its covariance is {covariance!r:.40}, must be one of {', '.join(DDOF)}")
    return DDOF[covariance]


def _from_truth(summary: Summary) -> tuple[float, Float64[np.ndarray, " V"] | None]:
    """The value that is compared and its part of each video; the distance from the truth if that is what is best."""
    mean = summary.mean
    assert mean is not None
    values = None if summary.per_video is None else np.array(summary.per_video, np.float64)
    if summary.better != "truth" or summary.truth is None:
        return mean, values
    aim = summary.truth.mean if summary.truth_per_video is None else np.array(summary.truth_per_video)
    sign = 1.0 if mean >= summary.truth.mean else -1.0
    return abs(mean - summary.truth.mean), None if values is None else sign * (values - aim)


def _rows(record: Record, descriptor: str) -> tuple[Float64[np.ndarray, "V D"], Float64[np.ndarray, "V S D"]]:
    """The rows of a descriptor of the true videos and of all samples, from the file beside the metrics."""
    path = record.path.with_suffix(".npz")
    with reading(path, "the rows of a metrics file"):
        arrays = load_arrays(path, MOST_BYTES)
        truth, made = (
            np.asarray(arrays[f"{descriptor}.{what}"], np.float64) for what in ("truth", "samples")
        )
        if truth.ndim != 2 or made.shape != (len(truth), record.samples, truth.shape[1]):
            raise ValueError(f"{descriptor} is {list(truth.shape)} and {list(made.shape)}")
        # The squares of larger numbers are not finite in the end.
        usable = truth.size > 0 and all((np.abs(part) < LARGEST).all() for part in (truth, made))
        if len(truth) != record.videos or not usable:
            raise ValueError(
                f"{descriptor} is not a row of finite numbers for each of {record.videos} videos"
            )
    return truth, made


def adjusted(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs, with p adjusted for all of the same metric."""
    found: dict[int, tuple[float, int]] = {}
    for metric in {pair.metric for pair in pairs}:
        tested = {
            number: pair.difference.p
            for number, pair in enumerate(pairs)
            if pair.metric == metric and pair.difference is not None and pair.difference.p is not None
        }
        values = holm(list(tested.values()))
        found |= {number: (p, len(tested)) for number, p in zip(tested, values, strict=True)}
    return [
        replace(pair, p_holm=found[number][0], tests=found[number][1]) if number in found else pair
        for number, pair in enumerate(pairs)
    ]


def _row(pair: Pair) -> dict[str, Any]:
    a, b, found = pair.a, pair.b, pair.difference
    values = [record.metrics[pair.metric].mean if found else None for record in (a, b)]
    low, high = pair.interval
    cells = [
        pair.metric,
        *a.names,
        *b.names,
        pair.videos,
        *values,
        found.value if found else None,
        low,
        high,
        found.p if found else None,
        pair.p_holm,
        pair.verdict,
    ]
    return dict(zip(_COLUMNS, cells, strict=True))


def _short_names(a: Record, b: Record) -> tuple[str, str]:
    """What tells the two apart: their modes, else run and checkpoint."""
    if a.names[2] != b.names[2]:
        return a.names[2], b.names[2]
    part = 1 if a.names[0] == b.names[0] else slice(2)
    first, second = a.names[part], b.names[part]
    return (first, second) if isinstance(first, str) else ("/".join(first), "/".join(second))


def _unlike(a: Record, b: Record) -> str:
    """What of the frames that were measured is not the same."""
    names = ("test videos", "numbers of videos", "T", "obs_length", "goals")
    return ", ".join(name for name, x, y in zip(names, a.of_what, b.of_what, strict=True) if x != y)
