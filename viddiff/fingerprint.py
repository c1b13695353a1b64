"""What an evaluation directory's files depend on: claimed by the first job, checked by every later one."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

from viddiff.errors import InputError, OutputError

NAME = "fingerprint.json"


def claim(directory: Path, fingerprint: dict[str, Any]) -> None:
    """Write the fingerprint of an evaluation directory, or compare it with the one that is there.

    The first of several jobs that come at once writes it; nobody sees half of it. Values are plain JSON.

    Raises `InputError` on a difference: it names the directory, each field and both values, and the ways out.
    """
    path = directory / NAME
    if not path.exists():
        try:
            directory.mkdir(parents=True, exist_ok=True)
            _create(path, json.dumps(fingerprint, indent=2, sort_keys=True) + "\n")
            return
        except FileExistsError:
            pass  # another job was first
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        present = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); remove {directory} to sample it anew") from error
    names = sorted({*present, *fingerprint}, key=str) if isinstance(present, dict) else []
    different = [name for name in names if present.get(name) != fingerprint.get(name)]
    if different or not isinstance(present, dict):
        changes = "; ".join(f"{n} was {present.get(n)!r}, is now {fingerprint.get(n)!r}" for n in different)
        raise InputError(
            f"{directory} holds results of something else: {changes or 'no fingerprint'}. Put it back as it was, give "
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
