"""Tests of pairs of evaluations, from `comparison_pairs.csv`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from viddiff.errors import reading
from viddiff.files.json_files import GROWING, read_text, short_text
from viddiff.report.page.comparison import place_span
from viddiff.report.page.content import Pair, Span

_NAMES = ("run", "checkpoint", "mode")
_SHOWN = (" is better", " is higher")  # ends of verdicts
_TOLD = 6  # findings in full


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of which something is told. Raises `InputError` naming the file if it is no such table."""
    with reading(path, "a table of pairs"):
        rows = list(csv.DictReader(io.StringIO(read_text(path, GROWING), newline=""), strict=True))
        told = [
            name
            for name in _NAMES
            if name == "mode" or len({row[f"{name} {side}"] for row in rows for side in "ab"}) > 1
        ]
        widths = _widths(rows)
        return [
            Pair(
                metric=short_text(row["metric"]),
                a="/".join(row[f"{name} a"] for name in told),
                b="/".join(row[f"{name} b"] for name in told),
                difference=_optional(row["difference"]),
                span=_span(row, widths[row["metric"]]),
                p=_optional(row["p"]),
                p_holm=_optional(row["p holm"]),
                verdict=short_text(row["verdict"]),
            )
            for row in rows
        ]


def findings(pairs: Sequence[Pair]) -> list[str]:
    """What the tests of pairs tell, in sentences: who differs in what, and how much is left open."""
    tested = [pair for pair in pairs if pair.p_holm is not None]
    if not tested:
        return []
    shown: dict[tuple[str, str, str], list[str]] = {}
    for pair in tested:
        if pair.verdict.endswith(_SHOWN):
            shown.setdefault((pair.a, pair.b, pair.verdict), []).append(pair.metric)
    told = [f"Of {a} and {b}, {verdict}: {', '.join(metrics)}." for (a, b, verdict), metrics in shown.items()]
    if len(told) > _TOLD:
        told[_TOLD:] = [f"And {len(told) - _TOLD} more, in the table of pairs."]
    left = len(tested) - sum(map(len, shown.values()))
    if not left:
        return told
    few = sum(pair.verdict.startswith("too few videos") for pair in tested)
    if told:
        rest = f"{left} of {len(tested)} tests of two modes show no difference"
    else:
        rest = f"None of the {left} tests of two modes shows a difference"
    reason = "there" if few == left else f"in {few} of them there"
    return [*told, f"{rest}; {reason} are too few videos to tell." if few else f"{rest}."]


def _widths(rows: Sequence[Mapping[str, str]]) -> dict[str, tuple[float, float]]:
    """For each metric what its differences and their intervals span, zero with them."""
    marks: dict[str, list[float]] = {}
    for row in rows:
        found = [_optional(row[name]) for name in ("difference", "low", "high")]
        marks.setdefault(row["metric"], [0.0]).extend(mark for mark in found if mark is not None)
    return {metric: (min(own), max(own)) for metric, own in marks.items()}


def _span(row: Mapping[str, str], width: tuple[float, float]) -> Span | None:
    at, low, high = (_optional(row[name]) for name in ("difference", "low", "high"))
    if at is None or low is None or high is None:
        return None
    return place_span(at, (low, high), 0.0, width)


def _optional(text: str) -> float | None:
    """A number; `None` where there is none. Raises `ValueError` for another text."""
    if not text:
        return None
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r:.60} is not a number")
    return value
