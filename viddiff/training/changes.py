"""What changed in the settings of a run as it went on: `changes.csv` beside its checkpoints.

A row has the step from which on a setting was another, its key, what it was and what it is.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from viddiff.errors import InputError
from viddiff.files.write import write_text

COLUMNS = ("step", "key", "was", "is")
Changes = Mapping[str, tuple[Any, Any]]
logger = logging.getLogger(__name__)


def record_changes(path: Path, step: int, changes: Changes) -> None:
    """Add a row for each change at `step`, and say so in the log. Rows of that step and later ones are dropped: their
    training was never saved.

    changes: by key, what it was and what it is. Raises `InputError` if the file is something else.
    """
    kept = [row for row in _read(path) if int(row[0]) < step]
    rows = [*kept, *([str(step), key, str(was), str(now)] for key, (was, now) in changes.items())]
    for key, (was, now) in changes.items():
        logger.warning("from step %d on: %s was %r and is %r", step, key, was, now)
    if rows or path.exists():
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
        write_text(path, text.getvalue())


def _read(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    if tuple(header) != COLUMNS or not all(len(row) == len(COLUMNS) and row[0].isdecimal() for row in rows):
        raise InputError(f"{path}: no training of viddiff wrote it; move it away or name another run")
    return rows
