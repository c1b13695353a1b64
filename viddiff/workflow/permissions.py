"""What the user may write: asked before the first job, not found out by it."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

from viddiff.errors import OutputError


def check_writable(folder: str | Path) -> None:
    """Raise `OutputError` if no file can be written in a folder, which need not exist."""
    place = Path(folder)
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise OutputError(f"cannot write in {folder}: {place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write in {folder}: no permission to write in {place}, which belongs to {_owner(place)}"
        )


def check_records(folder: str | Path = ".snakemake") -> None:
    """Raise `OutputError` if Snakemake cannot use its records of the working directory: they are another user's.

    It lets nobody but their owner read them, even where the folder is shared.
    """
    place = Path(folder)
    if not place.is_dir():
        check_writable(place)
    parts = [
        part for part in (place, place / "metadata", place / "incomplete", place / "locks") if part.is_dir()
    ]
    for path in chain(parts, *(part.iterdir() for part in parts)):
        if not os.access(path, os.R_OK | os.W_OK) and os.path.lexists(path):  # a lock may have vanished
            owner = _owner(path)
            raise OutputError(
                f"no permission to read and write {path}, which belongs to {owner}: work in a folder of your own, or "
                f"have {owner} call `chmod -R g+rwX {folder}` after each of theirs (docs/snakemake.md, two users)"
            )


def _owner(path: Path) -> str:
    """The name of a file's owner, the number of one who has none."""
    try:
        return path.owner()
    except (KeyError, OSError):
        return f"user {path.lstat().st_uid}"
