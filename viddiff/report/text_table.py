"""Tables as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_LONGEST_UNIT = 6
_LEFT = ("run", "checkpoint", "mode", "kind", "protocol", "metric", "pair", "verdict", "sampler")


def named_columns(names: Sequence[tuple[str, str, str]]) -> tuple[list[str], dict[str, list[str]]]:
    """Lines above a table and its first columns, for evaluations by run, checkpoint and mode.

    A run or checkpoint that all have is told above. More than one evaluation have a last row: all of them.
    """
    columns = dict(zip(("run", "checkpoint", "mode"), map(list, zip(*names, strict=True)), strict=True))
    shared = {name: columns.pop(name)[0] for name in ("run", "checkpoint") if len(set(columns[name])) == 1}
    if len(names) > 1:
        for name, cells in columns.items():
            cells.append("all" if name == "mode" else "")
    heading = "   ".join(f"{name}: {value}" for name, value in shared.items())
    return [heading, ""] if heading else [], columns


def align(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines of a table: names to the left, numbers to the right, a rule under the header."""
    widths = {name: max(len(name), *map(len, cells)) for name, cells in columns.items()}
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if name in _LEFT else cell.rjust(width)
            for cell, (name, width) in zip(row, widths.items(), strict=True)
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "─" * max(map(len, lines)), *lines[1:]]


def short_unit(unit: str) -> str:
    """A unit in brackets, as it stands behind the name of a metric in a table; "" for one that would widen it."""
    return f" [{unit}]" if 0 < len(unit) <= _LONGEST_UNIT else ""


def decimals_of(error: float | None) -> int:
    """How many decimals show two digits of a standard error; four digits of a number about 1 if there is none."""
    return 3 if not error else min(max(1 - math.floor(math.log10(error)), 0), 6)
