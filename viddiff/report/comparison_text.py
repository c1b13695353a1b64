"""The comparison of evaluations as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import pandas as pd

from viddiff.metrics.settings import is_of_network
from viddiff.registry import declared_facts
from viddiff.report.records import is_of_sets
from viddiff.report.text_table import align, decimals_of, short_unit

NAMES = ["run", "checkpoint", "mode"]
COUNTS = ["videos", "samples", "frames", "stages", "evaluations"]
WIDTH = 120  # of a terminal
MISSING = "-"

_ERROR = " se videos"
_GAP = 2


def format_table(table: pd.DataFrame) -> str:
    """The table of `comparison_table` as text: what all evaluations share first, then rows, then what to beware of.

    Means are given with their standard errors over test videos, to two digits of the smallest of the
    evaluations'. Under these stand the values of the truth itself, of metrics that are best near it, and the baselines.
    What is wider than a terminal is split: metrics of frames first, then those of sets of videos.
    """
    modes = table[table["run"] != ""]
    shared = [
        column
        for column in ("run", "checkpoint", "videos", "samples", "frames")
        if modes[column].nunique(dropna=False) == 1
    ]
    metrics = [column for column in map(str, table) if _is_mean(column)]
    names, counts = ([column for column in group if column not in shared] for group in (NAMES, COUNTS))
    columns = {
        column: _texts(table[column], len(modes), "truth" if column == "mode" else "") for column in names
    }
    columns |= {_head(column): _estimates(table, column, len(modes)) for column in metrics}
    columns |= {column: _texts(table[column], len(modes), MISSING) for column in counts}
    if any(table["protocol"]):
        columns["protocol"] = _texts(table["protocol"], len(modes), "")
    if all(columns[_head(metric)][len(modes)] == MISSING for metric in metrics):
        columns = {name: cells[: len(modes)] + cells[len(modes) + 1 :] for name, cells in columns.items()}

    heading = "   ".join(f"{column}: {modes[column].iloc[0]}" for column in shared)
    lines = [heading, ""] if shared else []
    for number, part in enumerate(_parts(columns, names)):
        rows = align(part)
        lines += [*([""] if number else []), *rows[: 2 + len(modes)]]
        if rows[2 + len(modes) :]:
            lines += [rows[1], *rows[2 + len(modes) :]]
    return "\n".join([*lines, *_explained(table, metrics)]) + "\n"


def _is_mean(column: str) -> bool:
    """Whether a column holds a metric's means: their names are one word, and perhaps a unit."""
    name = column.partition(" [")[0]
    return " " not in name and name not in (*NAMES, *COUNTS, "protocol", "notes")


def _head(column: str) -> str:
    """What stands above a metric's means."""
    name, _, unit = column.partition(" [")
    return f"{name}{short_unit(unit.removesuffix(']'))}"


def _texts(values: pd.Series, modes: int, truth: str) -> list[str]:
    """The cells of a column: of the evaluations, of the truth, of the baselines."""
    cells = [MISSING if pd.isna(value) else str(value) for value in values]
    return [*cells[:modes], truth, *cells[modes:]]


def _estimates(table: pd.DataFrame, column: str, modes: int) -> list[str]:
    """The means of a metric with their errors; what the truth has may depend on the evaluation, as its stages do."""
    name, bracket, unit = column.partition(" [")
    own, error, truth, truth_error = (
        table.get(f"{name}{part}{bracket}{unit}", pd.Series([None] * len(table), dtype=object))
        for part in ("", _ERROR, " truth", f" truth{_ERROR}")
    )
    count = len(table)
    known = [value for value in error[:modes] if not pd.isna(value) and value > 0]
    cells = _with_errors([*own, *truth], [*error, *truth_error], decimals_of(min(known, default=None)))
    told = list(dict.fromkeys(cell for cell in cells[count : count + modes] if cell != MISSING))
    told.sort(key=lambda cell: float(cell.split()[0]))
    middle = (
        told[0] if len(told) == 1 else f"{told[0].split()[0]} … {told[-1].split()[0]}" if told else MISSING
    )
    return [*cells[:modes], middle, *cells[modes:count]]


def _with_errors(means: Sequence[float | None], errors: Sequence[float | None], decimals: int) -> list[str]:
    """`mean ± error`, as far as they are known."""
    cells = []
    for mean, error in zip(means, errors, strict=True):
        text = MISSING if pd.isna(mean) else f"{mean:z.{decimals}f}"
        cells.append(text if pd.isna(error) else f"{text} ± {error:.{decimals}f}")
    return cells


def _parts(columns: Mapping[str, Sequence[str]], names: Sequence[str]) -> Iterator[dict[str, Sequence[str]]]:
    """The columns as tables that fit a terminal, each with the names in front."""
    kinds: list[list[str]] = [[], []]
    for column in columns:
        if column not in names:
            kinds[is_of_sets(column.partition(" [")[0])].append(column)
    whole = [*chain(*kinds)]
    for kind in [whole] if _width(columns, [*names, *whole]) <= WIDTH else [kind for kind in kinds if kind]:
        part: list[str] = []
        for column in kind:
            if part and column != "protocol" and _width(columns, [*names, *part, column]) > WIDTH:
                yield {name: columns[name] for name in (*names, *part)}
                part = []
            part.append(column)
        yield {name: columns[name] for name in (*names, *part)}


def _width(columns: Mapping[str, Sequence[str]], chosen: Sequence[str]) -> int:
    return sum(_GAP + max(len(name), *map(len, columns[name])) for name in chosen) - _GAP


def _explained(table: pd.DataFrame, metrics: Sequence[str]) -> Iterator[str]:
    """What the errors are, which values are better, and the notes."""
    known = [column.partition(" [")[0] for column in metrics]
    better: dict[str, list[str]] = {}
    for name in known:
        better.setdefault(_better(name), []).append(name)
    order = {"higher": "higher is better", "lower": "lower is better", "truth": "best near the truth"}
    jackknife = ", of metrics of sets of videos by the jackknife" if any(map(is_of_sets, known)) else ""
    yield f"± standard error over videos{jackknife}"
    told = [f"{text}: {', '.join(better[key])}" for key, text in order.items() if key in better]
    if told:
        yield from _wrapped("; ".join(told))
    if floors := [name for name in known if f"{name} floor" in table]:
        yield f"floor of {', '.join(floors)}: that of another true video"
    units = [column.removesuffix("]").partition(" [")[::2] for column in metrics]
    long = [f"{name}: {unit}" for name, unit in units if unit and not short_unit(unit)]
    if long:
        yield from _wrapped("; ".join(long))
    if "notes" in table:
        yield from dict.fromkeys(
            f"note: {text}" for cell in table["notes"] for text in cell.split(" | ") if text
        )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _better(metric: str) -> str:
    """ "higher", "lower" or "truth"; "" of one of which neither is, and of a metric that is not known here."""
    of_sets = declared_facts("set_metric", "viddiff.metrics").get(metric)
    if of_sets is not None:
        return str(of_sets["better"])
    facts = declared_facts("metric", "viddiff.metrics").get(metric)
    if metric == "bpd" or is_of_network(metric):
        return "lower"
    return {True: "higher", False: "lower", None: ""}[facts["higher_is_better"] if facts else None]
