"""Nested lists and mappings from files, walked without trust.

Parts may be shared, so a few lines can stand for more values than any computer can count ("billion laughs"), and a
value may hold itself. Who walks along `parts` is told so instead of going on for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

DEEPEST = 50


def nested_parts(
    value: Any, most: int = 1_000_000, inner: Callable[[Any], Iterable[Any]] | None = None
) -> Iterator[Any]:
    """A value and all that is in it, keys too; what is shared comes as often as it stands there.

    inner: what a part consists of, by default the keys and values of a mapping, the entries of a list, tuple or set.
    Raises `ValueError` if there are more than `most` parts, or if they lie deeper than `DEEPEST`.
    """
    inner = inner or _inner
    left = [(value, 0)]
    count = 1
    while left:
        part, depth = left.pop()
        yield part
        for within in inner(part):
            count += 1
            if count > most or depth == DEEPEST:
                raise ValueError(f"holds more than {most} values, or some more than {DEEPEST} levels deep")
            left.append((within, depth + 1))


def _inner(part: Any) -> Iterable[Any]:
    if isinstance(part, dict):
        return chain(part, part.values())
    return part if isinstance(part, list | tuple | set | frozenset) else ()
