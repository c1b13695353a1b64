"""Quality against network evaluations as text for a terminal: the numbers, the answer, and what it is worth."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence

from viddiff.report.judgement import (
    AS_GOOD,
    BETTER,
    NO_WORSE,
    POWER,
    SUFFICIENT,
    TOLERANCE,
    TOO_FEW,
    UNCLEAR,
    WORSE,
    Judgement,
    fewest_videos,
    middle,
)
from viddiff.report.pairs import ALPHA, Pair
from viddiff.report.quality import Quality, Row
from viddiff.report.records import mixed_numerics
from viddiff.report.text_table import align, decimals_of, short_unit

WIDTH = 120  # of a terminal
MISSING = "-"
_LARGE = 1000  # percent

_Cells = Callable[[Sequence[Row], str], tuple[str, list[str]]]
"""The head of a metric's column, and its cells."""

_EXPLAINED = (
    "worse by: percent of the reference's value, below 0 it is better, with the 95 % interval; of metrics that are "
    "best near the truth, the difference of the distances from it, in percent of the reference's or the truth's value, "
    "the larger one",
    f"{AS_GOOD}: no difference is shown (adjusted p above {ALPHA:.2g}), and the estimate is within {TOLERANCE:.0%}; "
    f"{NO_WORSE}: none is shown, and it is better by more; {UNCLEAR}: none is shown, but it is worse by "
    f"more, or worse with a p of {ALPHA:.2g} or less before it is adjusted; "
    f"{BETTER}, {WORSE}: a difference is shown; {TOO_FEW}: none could be",
    "all metrics, p, and p adjusted for all samplers and modes in that metric: in the table as CSV",
)


def format_quality(quality: Quality) -> str:
    """The comparison as text: the deciding metrics of each mode and how much worse they are, the answer, its limits."""
    first = next(iter(quality.references.values()))
    run, checkpoint = first.record.names[:2]
    videos, samples = first.record.videos, first.record.samples
    lines = [f"run: {run}   reference: {checkpoint}   videos: {videos}   samples: {samples}", ""]
    for mode, reference in quality.references.items():
        rows = quality.rows[mode]
        lines += [f"mode: {mode}   stages: {reference.stages}", ""]
        lines += _tables([reference, *rows], quality.deciding, _means)
        lines += ["", f"mode: {mode}, worse than the reference by [%]", ""]
        lines += [*_tables(rows, quality.deciding_in(mode), _differences), ""]
    lines += [*_wrapped(answers(quality)), ""]
    return "\n".join([*lines, *_wrapped(warnings(quality)), *_wrapped(_EXPLAINED)]) + "\n"


def answers(quality: Quality) -> Iterator[str]:
    """The fewest evaluations that suffice, for each mode and for all of them together."""
    needed = " and ".join(filter(None, [", ".join(quality.deciding[:-1]), quality.deciding[-1]]))
    treatments = any(row.treatment for row in quality.all_rows)
    which = "What is" if treatments else "The fewest network evaluations of a stage that are"
    yield f"{which} no worse than the reference in {needed}:"
    verdicts = {judgement.verdict for judgement in _deciding(quality)}
    if verdicts.isdisjoint((*SUFFICIENT, WORSE, UNCLEAR)):
        yield f"- no answer: {'the videos are too few' if TOO_FEW in verdicts else 'nothing could be compared'}"
        return
    for mode, reference in quality.references.items():
        metrics = quality.deciding_in(mode)
        if treatments:
            rows = [row for row in quality.rows[mode] if row.suffices(metrics)]
            yield f"- {mode}: {'; '.join(map(_named, rows)) or 'none of these'}"
            continue
        rows = _fewest([row for row in quality.rows[mode] if row.suffices(metrics)])
        yield f"- {mode}: {_answer(rows, reference, metrics) if rows else 'none of these'}"
    if len(quality.references) > 1 and not treatments:
        yield f"- in all modes: {_common(quality) or 'none of these'}"


def warnings(quality: Quality) -> Iterator[str]:
    """What to beware of: what so few videos can show, other precisions, what does not decide, what more evaluations
    contradict."""
    yield from _resolution(quality)
    yield from (f"warning: {text}" for text in _mixed(quality))
    for mode, reference in quality.references.items():
        if undefined := [name for name in quality.deciding if name not in quality.deciding_in(mode)]:
            reason = reference.record.metrics[undefined[0]].undefined
            yield f"note: {', '.join(undefined)} decides nothing in {mode}, where it is not defined: {reason}"
        yield from _contradictions(quality, mode)
    lacking: dict[str, int] = {}
    for pair in _pairs(quality):
        if pair.difference is None and pair.metric in quality.deciding_in(pair.b.names[2]):
            reason = f"{pair.metric} is {pair.verdict}"
            lacking[reason] = lacking.get(reason, 0) + 1
    yield from (
        f"note: {reason}{f' ({count} times)' if count > 1 else ''}" for reason, count in lacking.items()
    )
    first = next(iter(quality.references.values()))
    for name in quality.deciding:
        yield from (f"note: {text}" for text in first.record.metrics[name].warnings)


def _resolution(quality: Quality) -> Iterator[str]:
    """How small a difference so many videos show."""
    videos = next(iter(quality.references.values())).record.videos
    tested = [pair for pair in _pairs(quality) if pair.difference is not None]
    few = max(tested, key=lambda pair: pair.tests, default=None)
    too_few = few is not None and few.least > ALPHA
    if few is not None and too_few:
        yield (
            f"warning: {videos} videos are too few: no adjusted p can fall below {few.least:.2g}, so no difference of "
            f"any size could be shown in {few.tests} tests; that needs {fewest_videos(few.tests)} videos or more"
        )
    shown = {
        name: middle(judgement.shown for judgement in _deciding(quality, name)) for name in quality.deciding
    }
    told = [f"{name} {_percent(value)} %" for name, value in shown.items() if value is not None]
    if told and not too_few:
        yield (
            f"the smallest difference that {videos} videos would show in {POWER:.0%} of cases (median of samplers): "
            f"{', '.join(told)}"
        )
    # In percent of a reference of 0 nothing can be said.
    finite = {name: value for name, value in shown.items() if value is not None and value < math.inf}
    name = max(finite, key=lambda name: finite[name], default="")
    if name and (large := finite[name]) > TOLERANCE and not too_few:
        yield (
            f"warning: that is more than {TOLERANCE:.0%}: what is not shown to differ need not be equal, look at how "
            f"much the intervals leave; {TOLERANCE:.0%} of {name} takes some "
            f"{_rounded(videos * (large / TOLERANCE) ** 2)} videos"
        )


def _mixed(quality: Quality) -> list[str]:
    """What is of another precision than the reference of its mode, if anything is."""
    others = [
        row for row in quality.all_rows if row.record.numerics != quality.references[row.mode].record.numerics
    ]
    return mixed_numerics([row.record for row in (*quality.references.values(), *others)])


def _pairs(quality: Quality) -> list[Pair]:
    """The pairs of all rows in the deciding metrics."""
    return [row.pairs[name] for row in quality.all_rows for name in quality.deciding]


def _deciding(quality: Quality, name: str | None = None) -> list[Judgement]:
    """The judgements of all rows in the deciding metrics, or in one of them."""
    names = quality.deciding if name is None else (name,)
    return [row.judgements[name] for row in quality.all_rows for name in names]


def _fewest(rows: Sequence[Row]) -> list[Row]:
    least = min((row.per_stage for row in rows), default=0)
    return [row for row in rows if row.per_stage == least]


def _named(row: Row) -> str:
    better = [name for name, found in row.judgements.items() if found.verdict == BETTER]
    return f"{row.name} with {row.per_stage}{', better in ' if better else ''}{', '.join(better)}"


def _answer(rows: Sequence[Row], reference: Row, metrics: Sequence[str]) -> str:
    row = rows[0]
    samplers = " or ".join(row.sampler for row in rows)
    ratio = reference.per_stage / row.per_stage
    left = ", ".join(f"{name} {_percent(row.judgements[name].high)} %" for name in metrics)
    also = f" (of {row.sampler})" if len(rows) > 1 else ""
    return (
        f"{row.per_stage} with {samplers}, {row.per_video} for a video, {ratio:.3g} times fewer than the reference's "
        f"{reference.per_stage}; the intervals leave that it is worse{also} by at most: {left}"
    )


def _common(quality: Quality) -> str:
    """The fewest evaluations of a sampler that suffices in all modes; "" if there is none."""
    sufficient = [
        {(row.per_stage, row.sampler) for row in rows if row.suffices(quality.deciding_in(mode))}
        for mode, rows in quality.rows.items()
    ]
    common = sorted(set.intersection(*sufficient))
    samplers = " or ".join(sampler for count, sampler in common if count == common[0][0])
    return f"{common[0][0]} with {samplers}" if common else ""


def _contradictions(quality: Quality, mode: str) -> Iterator[str]:
    """Samplers of the answer that do not suffice with more evaluations, which should be better."""
    metrics = quality.deciding_in(mode)
    for row in _fewest([row for row in quality.rows[mode] if row.suffices(metrics)]):
        for more in quality.rows[mode]:
            if more.name == row.name and more.per_stage > row.per_stage and not more.suffices(metrics):
                failed = [name for name in metrics if not more.judgements[name].suffices]
                yield (
                    f"warning: {mode}: {row.name} suffices with {row.per_stage} evaluations, but not with "
                    f"{more.per_stage} ({', '.join(failed)}): that may be chance"
                )


def _tables(rows: Sequence[Row], metrics: Sequence[str], cells: _Cells) -> list[str]:
    """Rows with some of the metrics, as many tables as a terminal's width needs."""
    names = {
        "sampler": [row.name if row.pairs else f"{row.name} (reference)" for row in rows],
        "a stage": [str(row.per_stage) for row in rows],
    }
    if cells is _means:
        names["a video"] = [str(row.per_video) for row in rows]
    lines: list[str] = []
    part: dict[str, list[str]] = {}
    for name in metrics:
        head, texts = cells(rows, name)
        if part and len(align(names | part | {head: texts})[1]) > WIDTH:
            lines += [*align(names | part), ""]
            part = {}
        part[head] = texts
    return [*lines, *align(names | part)]


def _means(rows: Sequence[Row], name: str) -> tuple[str, list[str]]:
    summaries = [row.record.metrics.get(name) for row in rows]
    errors = [part.se_videos for part in summaries if part and part.se_videos]
    decimals = decimals_of(min(errors, default=None))
    texts = []
    for part in summaries:
        if part is None or part.mean is None:
            texts.append(MISSING)
        else:
            error = "" if part.se_videos is None else f" ± {part.se_videos:.{decimals}f}"
            texts.append(f"{part.mean:z.{decimals}f}{error}")
    unit = next((part.unit for part in summaries if part), "")
    return f"{name}{short_unit(unit)}", texts


def _differences(rows: Sequence[Row], name: str) -> tuple[str, list[str]]:
    texts = []
    for row in rows:
        found = row.judgements[name]
        if found.worse is None:
            texts.append(found.verdict.partition(":")[0])
        else:
            ends = f"{_percent(found.low)} … {_percent(found.high)}"
            texts.append(f"{_percent(found.worse)} ({ends}) {found.verdict}")
    return name, texts


def _percent(value: float | None) -> str:
    """Two digits, and no more than one decimal."""
    if value is None:
        return MISSING
    percent = 100 * value
    if abs(percent) >= _LARGE:
        return f">{_LARGE}" if percent > 0 else f"<-{_LARGE}"
    return f"{percent:z.{1 if abs(percent) < 9.95 else 0}f}"


def _rounded(count: float) -> str:
    """Two digits."""
    return f"{float(f'{count:.2g}'):,.0f}"


def _wrapped(lines: Iterable[str]) -> list[str]:
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    ]
