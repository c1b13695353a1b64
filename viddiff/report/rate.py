"""How fast samples are made: an estimate from the times at which parts of the work were done.

Work is counted in stages; a stage is taken to cost the same in all evaluations. A finished sample shows one time, for
all its stages: that of the end of its job, for Snakemake gives all files of a job that time. A sample under way shows
the exact time of each stage that is done. The rate is computed in these steps.

1. *Window*: the hour before the last progress. It begins later, behind a pause, if there is one: a gap of more than
   10 minutes that is more than 3 times as long as any gap after it, with progress over a tenth of its length after it.
2. *Start*: the last progress in the first 20th of the window. What is done by then was made in an unknown time before,
   and does not count.
3. *Work* since the start: the stages of samples under way, one by one, and those of each finished sample. Of these,
   some were made before the start if several jobs run. So they count as no more than what one sample under way makes
   between the start and the end of that sample, at the mean pace since the start of the samples under way.
4. The rate is this work by the time from the start to the last progress.

It is unknown if the window is shorter than a minute. Work has *stopped* if the last progress is longer ago than 10
minutes and than 3 times the longest gap in the window; if the rate is unknown, than an hour.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import inf

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Trace:
    """The times at which work on the samples of an evaluation was done, in seconds since 1970.

    stages: of one sample; finished: a time per finished sample; under_way: a time per stage that is done, in rising
    order, for each other sample.
    """

    stages: int
    finished: tuple[float, ...]
    under_way: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Activity:
    """last: progress, in seconds since 1970; stopped: no progress since then for longer than usual; rate: stages per
    second, `None` if it is unknown or work has stopped."""

    last: float
    stopped: bool
    rate: float | None


def activity(traces: Sequence[Trace], now: float) -> Activity | None:
    """What the traces of one or more evaluations tell at the time `now`; `None` if nothing is done yet."""
    times = sorted(chain.from_iterable((*trace.finished, *chain(*trace.under_way)) for trace in traces))
    if not times:
        return None
    window = _behind_pause(times[bisect_left(times, times[-1] - HOUR) :])
    rate = _rate(traces, window)
    longest = max((after - before for before, after in pairwise(window)), default=0.0)
    patience = HOUR if rate is None else max(10 * MINUTE, 3 * longest)
    stopped = now - times[-1] > patience
    return Activity(times[-1], stopped, None if stopped else rate)


def _behind_pause(times: list[float]) -> list[float]:
    """The times after the newest pause."""
    longest = 0.0
    for index in range(len(times) - 1, 0, -1):
        gap = times[index] - times[index - 1]
        if gap > max(10 * MINUTE, 3 * longest) and times[-1] - times[index] > gap / 10:
            return times[index:]
        longest = max(longest, gap)
    return times


def _rate(traces: Sequence[Trace], window: list[float]) -> float | None:
    """Stages per second in the window; `None` if it is too short to tell."""
    first, last = window[0], window[-1]
    if last - first < MINUTE:
        return None
    start = window[bisect_right(window, first + (last - first) / 20) - 1]
    pace = _pace(traces, start)
    work = sum(
        sum(time > start for time in chain(*trace.under_way))
        + sum(min(trace.stages, (time - start) * pace) for time in trace.finished if time > start)
        for trace in traces
    )
    return work / (last - start)


def _pace(traces: Sequence[Trace], start: float) -> float:
    """Stages per second of one sample under way, mean since the start; infinite if no two stages tell."""
    stages, seconds = 0, 0.0
    for times in chain.from_iterable(trace.under_way for trace in traces):
        recent = times[bisect_left(times, start) :]
        if recent:
            stages += len(recent) - 1
            seconds += recent[-1] - recent[0]
    return stages / seconds if seconds else inf
