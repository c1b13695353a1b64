"""Errors that a user can put right. Each message is one line: what is wrong, what was found, what is allowed."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """Something given to viddiff is wrong: a file, a config key, a name, a parameter."""


class PlanError(InputError):
    """A mode's parameters admit no valid plan."""


class OutputError(InputError):
    """A result could not be written: no space, no permission, a file where a folder must be."""


def one_line(error: Exception) -> str:
    """An error's message, be it of several lines, on one."""
    return " ".join(str(error).split())


@contextmanager
def naming(what: str) -> Iterator[None]:
    """What the user can put right is told with that in front."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{what}: {error}") from None


@contextmanager
def in_one_line() -> Iterator[None]:
    """What the user can put right, and what the system refuses, ends the process with one line and exit code 1."""
    try:
        yield
    except (InputError, OSError) as error:
        sys.exit(f"error: {one_line(error)}")


def unreadable(path: Path, error: Exception) -> InputError:
    """One line that says why a file cannot be read."""
    return InputError(f"{path}: cannot be read: {_reason(error)}")


@contextmanager
def reading(path: Path, what: str, way_out: str = "") -> Iterator[None]:
    """Whatever goes wrong while the block takes a file apart is an `InputError` of one line: it is not `what`, and why.

    way_out: what to do then, for the end of the line.
    """
    end = f"; {way_out}" if way_out else ""
    try:
        yield
    except OSError as error:
        raise InputError(f"{unreadable(path, error)}{end}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not {what}: {_reason(error)}{end}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError):
        return f"no key {error}"
    return (str(error) or type(error).__name__).strip().splitlines()[0]


def unknown(what: str, name: object, known: Iterable[object]) -> InputError:
    """One line that says that `what`, which is called `name`, is none of those known: the nearest, and all of these."""
    names = sorted(map(str, known))
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return InputError(f"{what} is unknown; {hint}known: {', '.join(names)}")


def missing_file(what: str, path: Path) -> InputError:
    """One line that says that `what` is not there: the nearest files of that kind in its folder, or any."""
    if not path.parent.is_dir():
        return InputError(f"no {what} {path}; there is no folder {path.parent}")
    names = [file.name for file in path.parent.glob(f"*{path.suffix}") if not file.name.startswith(".")]
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.4) or sorted(names)[:5]
    return InputError(f"no {what} {path}; {path.parent} holds {', '.join(near) or f'no {path.suffix} file'}")
