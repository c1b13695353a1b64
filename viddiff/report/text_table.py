"""Tables as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_LEFT = ("run", "checkpoint", "mode", "protocol")


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
