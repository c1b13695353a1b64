"""Reading JSON that may have been written by others: limited in size and depth, and checked value by value.

What is wrong is a `ValueError` or `TypeError` that gives the reason alone: the reader of a kind of file names it.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any

from viddiff.files.nested import nested_parts

MOST_BYTES = 2**26
GROWING = 2**28  # of files that have a part for each video, stage or pair
LONGEST_TEXT = 500


def read_json(path: str | os.PathLike[str], most: int = MOST_BYTES) -> Any:
    """The value in a JSON file. Raises `OSError`, or `ValueError` if it has more than `most` bytes or is no JSON."""
    return parse_json(read_text(path, most))


def read_text(path: str | os.PathLike[str], most: int = MOST_BYTES) -> str:
    """A file's text. Raises `OSError`, or `ValueError` if it has more than `most` bytes or is no UTF-8."""
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"has more than {most} bytes")
    return content.decode("utf-8")


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError` if it is nested too deeply or no JSON."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    for _ in nested_parts(value, most=len(text) + 1):
        pass
    return value


def whole_number(value: Any) -> int:
    """A whole number. Raises `TypeError` for anything else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r:.60} is not a whole number")
    return value


def number(value: Any) -> float:
    """A finite number. Raises `TypeError` for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError(f"{value!r:.60} is not a number")
    return value


def truth(value: Any) -> bool:
    """True or false. Raises `TypeError` for anything else."""
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.60} is neither true nor false")
    return value


def short_text(value: Any) -> str:
    """A short text that can be printed on one line. Raises `TypeError` for anything else: it may steer a terminal."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_TEXT:
        raise TypeError(f"{value!r:.60} is not a short line of text")
    return value
