"""Whether a sampler is as good as a reference in a metric: the verdict on a pair, relative to the reference's value.

Worse by `w` means: lower by `w` times the reference's value where higher is better, higher where lower is; of metrics
that are best near the truth, further from the value of the truth by `w` times the reference's value or the truth's,
whichever is larger. So `w` is the same for all metrics to look at, and has a sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from scipy import stats

from viddiff.report.pairs import ALPHA, Pair
from viddiff.report.records import Record

TOLERANCE = 0.03
"""By how much the point estimate may be worse."""

POWER = 0.8

AS_GOOD, NO_WORSE, BETTER = "as good", "no worse", "better"
WORSE, UNCLEAR, TOO_FEW = "worse", "unclear", "too few videos"
SUFFICIENT = (AS_GOOD, NO_WORSE, BETTER)
"""Verdicts by which a sampler suffices in a metric."""


@dataclass(frozen=True)
class Judgement:
    """The verdict on a pair, a sampler and the reference.

    worse: by how much, relative; below 0 it is better; low, high: the 95 % interval of that; shown: how large a
    difference the test would show with probability `POWER`, by Student's t with the error that was found, at the
    strictest level of Holm's. All are `None` if the pair is not compared.
    """

    worse: float | None
    low: float | None
    high: float | None
    shown: float | None
    verdict: str

    @property
    def suffices(self) -> bool:
        """Whether the sampler is no worse than the reference, as far as the rule tells."""
        return self.verdict in SUFFICIENT


def judge(pair: Pair) -> Judgement:
    """The verdict on a pair `a`, a sampler, and `b`, the reference, adjusted for all pairs of the metric.

    `better` or `worse`: the adjusted p is 0.05 or less. Else no difference is shown: then `as good` is a point estimate
    that differs by 3 % at most, `no worse` one that is better by more, `unclear` one that is worse by more, or that is
    worse with a p of 0.05 or less before it is adjusted: else it would suffice once it is compared together with enough
    others. `too few videos`: no data whatever could have had such a p.
    """
    found = pair.difference
    if found is None or found.error is None or pair.p_holm is None:
        return Judgement(None, None, None, None, pair.verdict)
    summary = pair.b.metrics[pair.metric]
    sign = -1.0 if summary.better == "higher" else 1.0
    scale = scale_of(pair.b, pair.metric)
    low, high = sorted(_relative(sign * end, scale) for end in pair.interval if end is not None)
    worse = _relative(sign * found.value, scale)
    rejects, exceeds = stats.t.isf([ALPHA / pair.tests / 2, 1 - POWER], pair.videos - 1)
    shown = _relative(float(rejects + exceeds) * found.error, scale)
    return Judgement(worse, low, high, shown, _verdict(pair, worse))


def compared(record: Record) -> list[str]:
    """The metrics of a record in which something can be better."""
    return [name for name, summary in record.metrics.items() if summary.better]


def fewest_videos(tests: int) -> int:
    """With how many videos, at least, one of so many tests can show something."""
    return 1 + math.ceil(math.log2(tests / ALPHA))


def middle(values: Iterable[float | None]) -> float | None:
    """The median of those that are known."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _verdict(pair: Pair, worse: float) -> str:
    assert pair.p_holm is not None and pair.difference is not None and pair.difference.p is not None
    if pair.p_holm <= ALPHA:
        return WORSE if worse > 0 else BETTER
    if pair.least > ALPHA:
        return TOO_FEW
    if worse > 0 and (worse > TOLERANCE or pair.difference.p <= ALPHA):
        return UNCLEAR
    return AS_GOOD if worse >= -TOLERANCE else NO_WORSE


def scale_of(reference: Record, metric: str) -> float:
    """What differences are relative to."""
    summary = reference.metrics[metric]
    assert summary.mean is not None
    of_truth = summary.truth.mean if summary.better == "truth" and summary.truth else 0.0
    return max(abs(summary.mean), abs(of_truth))


def _relative(value: float, scale: float) -> float:
    if scale == 0:
        return math.copysign(math.inf, value) if value else 0.0
    return value / scale
