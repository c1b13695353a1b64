"""What an evaluation directory's files depend on: claimed by the first job, checked by every later one."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

from viddiff.errors import InputError, OutputError, reading
from viddiff.files.json_files import read_json

NAME = "fingerprint.json"


def claim(directory: Path, fingerprint: dict[str, Any]) -> None:
    """Write the fingerprint of an evaluation directory, or compare it with the one that is there.

    The first of several jobs that come at once writes it; nobody sees half of it. Values are plain JSON.

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
            directory.mkdir(parents=True, exist_ok=True)
            _create(path, json.dumps(fingerprint, indent=2, sort_keys=True) + "\n")
            return
        except FileExistsError:
            pass  # another job was first
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    present = read_fingerprint(path)
    _compare(directory, present, {name: fingerprint.get(name) for name in {*present, *fingerprint}})


def check_claim(directory: Path, part: dict[str, Any]) -> None:
    """Compare a part of a fingerprint with the one of an evaluation directory, if it has one; else as `claim`."""
    path = directory / NAME
    if path.exists():
        _compare(directory, read_fingerprint(path), part)


def read_fingerprint(path: Path) -> dict[str, Any]:
    """The fingerprint that is there. Raises `InputError` if it is none."""
    with reading(path, "a fingerprint", f"remove {path.parent} to sample it anew"):
        return dict(read_json(path))


def _compare(directory: Path, present: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = [name for name in sorted(wanted) if present.get(name) != wanted[name]]
    if different:
        changes = "; ".join(
            f"{name} was {present.get(name)!r:.500}, is now {wanted[name]!r:.500}" for name in different
        )
        raise InputError(
            f"{directory} holds results of something else: {changes}. Put it back as it was, give "
            f"the changed checkpoint or mode another name, or remove {directory} to sample it anew"
        )


def _create(path: Path, text: str) -> None:
    """Create a file with its whole content at once; `FileExistsError` if it is there."""
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
