"""The comparison of a page: a column of cells for each metric, with intervals on one scale."""

from __future__ import annotations

from collections.abc import Sequence

from viddiff.metrics.statistics import CONFIDENCE, interval
from viddiff.report.page.content import Cell, Column, Comparison, Row, Span
from viddiff.report.pairs import OF_SO_MANY_SAMPLES
from viddiff.report.records import differences, meaning_of
from viddiff.report.summary import AGGREGATES, Summary
from viddiff.report.text_table import decimals_of


def compare(rows: Sequence[Row], remarks: Sequence[str] = ()) -> Comparison:
    """The comparison of all rows, a column for each metric that one of them has. remarks: notes on the whole."""
    notes: dict[str, int] = {}
    names = dict.fromkeys(name for row in rows for name in row.record.metrics)
    return Comparison(rows, [_column(name, rows, notes) for name in names], [*notes, *remarks])


def interval_of(summary: Summary, videos: int) -> tuple[float, float] | None:
    """What covers the mean over all such videos; `None` if its error is not known."""
    if summary.mean is None or summary.se_videos is None or videos < 2:
        return None
    return interval(summary.mean, summary.se_videos, videos)


def format_estimate(mean: float, error: float | None) -> str:
    """The mean to two digits of its error, or four digits of its own without one, or with one of rounding alone."""
    if not error or error < 1e-9 * abs(mean):
        return f"{mean:z.4g}"
    digits = decimals_of(error)
    return f"{mean:z.{digits}f} ± {error:.{digits}f}"


def _column(name: str, rows: Sequence[Row], notes: dict[str, int]) -> Column:
    found = [row.record.metrics.get(name) for row in rows]
    shown = [(row, one) for row, one in zip(rows, found, strict=True) if one is not None]
    marks = [mark for row, one in shown for mark in _marks(one, row.record.videos)]
    width = (min(marks), max(marks)) if marks else (0.0, 0.0)
    modes = [one for row, one in shown if one.mean is not None and one.better and not row.name.is_baseline]
    badness = [_badness(one) for one in modes]
    best = min(badness) if len(badness) > 1 and _are_alike(name, shown) else None
    cells = [
        None if one is None else _cell(name, one, row, width, best, notes)
        for row, one in zip(rows, found, strict=True)
    ]
    return Column(name, shown[0][1].unit, shown[0][1].better, meaning_of(name), cells)


def _are_alike(name: str, shown: Sequence[tuple[Row, Summary]]) -> bool:
    """Whether a metric of modes is of the same videos by the same protocol, so that one of them can be the best."""
    records = [row.record.with_metrics([name]) for row, _ in shown if not row.name.is_baseline]
    samples = {record.samples for record in records if name in OF_SO_MANY_SAMPLES}
    return (
        len({record.of_what for record in records}) == 1
        and len(samples) < 2
        and not any(differences(records))
    )


def _badness(summary: Summary) -> float:
    """How far a metric is from the best it can be, of metrics of which some values are better."""
    mean = summary.mean or 0.0
    aim = summary.truth.mean if summary.truth else 0.0
    return {"higher": -mean, "lower": mean, "truth": abs(mean - aim)}[summary.better]


def _marks(summary: Summary, videos: int) -> list[float]:
    """All that is drawn of a number: itself, the ends of its interval, and the truth's if that is aimed at."""
    if summary.mean is None:
        return []
    aim = [summary.truth.mean] if summary.truth and summary.better == "truth" else []
    return [summary.mean, *(interval_of(summary, videos) or ()), *aim]


def _cell(
    name: str,
    summary: Summary,
    row: Row,
    width: tuple[float, float],
    best: float | None,
    notes: dict[str, int],
) -> Cell:
    numbers = [notes.setdefault(text, len(notes) + 1) for text in summary.notes(name)]
    if summary.mean is None:
        return Cell("-", "", False, None, [], numbers)
    ends = interval_of(summary, row.record.videos)
    aim = summary.truth if summary.better == "truth" else None
    target = None if aim is None else aim.mean
    told = {title: summary.aggregates.get(key) for key, title in AGGREGATES.items()}
    told |= {"truth": aim, "floor": summary.floor}
    return Cell(
        text=format_estimate(summary.mean, summary.se_videos),
        sort=summary.mean,
        best=best is not None and _badness(summary) == best and not row.name.is_baseline,
        span=ends and place_span(summary.mean, ends, target, width),
        below=[f"{title} {format_estimate(one.mean, one.error)}" for title, one in told.items() if one],
        notes=numbers,
    )


def place_span(at: float, ends: tuple[float, float], aim: float | None, width: tuple[float, float]) -> Span:
    """Where an interval is drawn, with room at both ends of the width, which are values too."""
    low, high = width

    def percent(value: float) -> float:
        return round(4 + 92 * (value - low) / (high - low), 2) if high > low else 50.0

    text = f"{100 * CONFIDENCE:.0f} % interval {ends[0]:.4g} to {ends[1]:.4g}"
    return Span(percent(ends[0]), percent(ends[1]), percent(at), None if aim is None else percent(aim), text)
