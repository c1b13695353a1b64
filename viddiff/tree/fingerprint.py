"""What an evaluation directory's files depend on: claimed by the first job, checked by every later one."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from viddiff.errors import InputError, reading
from viddiff.files.json_files import read_json
from viddiff.files.write import create_text

NAME = "fingerprint.json"
STAMPS = "video_stamps"
"""The field that identifies the videos of the dataset, by equally many digits for each. Older fingerprints lack it."""
DIGITS = 8


def claim(directory: Path, fingerprint: dict[str, Any], follow: Sequence[str] = ()) -> dict[str, Any]:
    """Write the fingerprint of an evaluation directory, or compare it with the one that is there.

    The first of several jobs that come at once writes it; nobody sees half of it. Values are plain JSON. follow: fields
    in which the one that is there decides, whether it has them or not. Returns the fingerprint with these as there.

    Raises `InputError` on a difference: it names the directory, each field and both values, and the ways out; and
    where there are results but no fingerprint, as in trees of the original code.
    """
    path = directory / NAME
    if not path.exists():
        strange = next(directory.glob("samples/*.npy"), None) or next(directory.glob("elbos/*.npy"), None)
        if strange and not path.exists():  # not by a job that came first either
            raise InputError(
                f"{directory} has no {NAME}, so nothing tells what made {strange.relative_to(directory)}: move "
                "these results away to add to them"
            )
        try:
            create_text(path, json.dumps(fingerprint, indent=2, sort_keys=True, allow_nan=False) + "\n")
            return fingerprint
        except FileExistsError:
            _await_content(path)  # another job was first
    present = read_fingerprint(path)
    decided = {name: present[name] for name in follow if name in present}
    held = {name: value for name, value in fingerprint.items() if name not in follow} | decided
    _compare(directory, present, {name: held.get(name) for name in {*present, *held}})
    return held


def check_claim(directory: Path, part: dict[str, Any]) -> None:
    """Compare a part of a fingerprint with the one of an evaluation directory, if it has one; else as `claim`."""
    path = directory / NAME
    if path.exists():
        _compare(directory, read_fingerprint(path), part)


def read_fingerprint(path: Path) -> dict[str, Any]:
    """The fingerprint that is there. Raises `InputError` if it is none."""
    with reading(path, "a fingerprint", f"remove {path.parent} to sample it anew"):
        return dict(read_json(path))


def precision_of(directory: Path) -> str:
    """The precision of the samples in an evaluation directory; "" where nothing tells."""
    return str(_present(directory).get("precision", ""))


def numerics_of(directory: Path) -> str:
    """The same, and whether their network was compiled: `tf32, compiled`."""
    compiled = ["compiled"] if _present(directory).get("compiled") else []
    return ", ".join(filter(None, [precision_of(directory), *compiled]))


def _present(directory: Path) -> dict[str, Any]:
    path = directory / NAME
    return read_fingerprint(path) if path.exists() else {}


def _compare(directory: Path, present: dict[str, Any], wanted: dict[str, Any]) -> None:
    changes = [
        f"{name} was {present.get(name)!r:.500}, is now {wanted[name]!r:.500}"
        for name in sorted(wanted)
        if name != STAMPS and present.get(name) != wanted[name]
    ]
    before, now = present.get(STAMPS), wanted.get(STAMPS)
    changed = None if before is None or now is None else _first_changed(str(before), now)
    if changed is not None:
        changes.append(
            f"video {changed} of the dataset is another file, or was changed since then (if it was only copied without "
            f"its time, take {STAMPS} out of {directory / NAME})"
        )
    if changes:
        raise InputError(
            f"{directory} holds results of something else: {'; '.join(changes)}. Put it back as it was, give "
            f"the changed checkpoint or mode another name, or remove {directory} to sample it anew"
        )


def _await_content(path: Path) -> None:
    """Where a file system knows no hard links, the file of another job is empty for a moment."""
    for _ in range(20):
        if path.stat().st_size:
            return
        time.sleep(0.1)


def _first_changed(before: str, now: str) -> int | None:
    """The first video that is not the same, of those that were and are there: more at the end change no other."""
    for start in range(0, min(len(before), len(now)), DIGITS):
        if before[start : start + DIGITS] != now[start : start + DIGITS]:
            return start // DIGITS
    return None
