"""The report of the grid: which files it consists of, and what they show.

Cells that complete the same videos with the same checkpoint are shown side by side: they are a *group*.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from viddiff.errors import InputError
from viddiff.tree.paths import RESULTS
from viddiff.workflow.targets import Cell


def group_cells(grid: Iterable[Cell], run: str, checkpoint: str, group: str) -> list[Cell]:
    """The cells of a group. Raises `InputError` if there are none."""
    cells = [cell for cell in grid if _group_of(cell) == (run, checkpoint, group)]
    if not cells:
        raise InputError(f"the configured grid has nothing at {run}/{checkpoint} for videos {group}")
    return cells


def report_files(grid: Iterable[Cell], metrics: Iterable[str]) -> list[str]:
    """The table, and for each group a contact sheet and a curve of each metric."""
    groups = sorted({_group_of(cell) for cell in grid})
    pictures = [
        f"{RESULTS}/{run}/{checkpoint}/{name}_{group}.png"
        for name in ("contact_sheet", *metrics)
        for run, checkpoint, group in groups
    ]
    return [f"{RESULTS}/comparison.csv", *pictures]


def report_contents(grid: Iterable[Cell], videos: int) -> dict[str, Any]:
    """What the report shows: directory, videos, samples and frames of each cell, and the videos of a sheet."""
    cells = [[str(cell.evaluation.directory), cell.videos, cell.samples, cell.T] for cell in grid]
    return {"cells": cells, "videos": videos}


def contents_file(grid: Sequence[Cell], videos: int) -> str:
    """The file that says what the report shows: its name is another one for another report."""
    text = json.dumps(report_contents(grid, videos))
    return f"{RESULTS}/report_{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def _group_of(cell: Cell) -> tuple[str, str, str]:
    return (*cell.evaluation.names[:2], cell.group)
