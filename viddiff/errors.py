"""Errors that a user can put right. Each message is one line: what is wrong, what was found, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class InputError(ValueError):
    """Something given to viddiff is wrong: a file, a config key, a name, a parameter."""


class PlanError(InputError):
    """A mode's parameters admit no valid plan."""


class OutputError(InputError):
    """A result could not be written: no space, no permission, a file where a folder must be."""


def unreadable(path: Path, error: Exception) -> InputError:
    """One line that says why a file cannot be read."""
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
    return InputError(f"{path}: cannot be read: {reason}")


def unknown(what: str, name: object, known: Iterable[object]) -> InputError:
    """One line that says that `what`, which is called `name`, is none of those known: the nearest, and all of these."""
    names = sorted(map(str, known))
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return InputError(f"{what} is unknown; {hint}known: {', '.join(names)}")
