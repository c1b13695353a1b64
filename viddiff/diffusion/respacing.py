"""Respacing: sampling with some of the diffusion steps that the network was trained on, told in a few characters."""

from __future__ import annotations

import re

from viddiff.errors import InputError

_COUNT = "[1-9][0-9]{0,5}"
RESPACING = f"(?:ddim)?{_COUNT}|{_COUNT}(?:,{_COUNT})+"


def respaced_steps(n_steps: int, spec: str) -> tuple[int, ...]:
    """The steps that a respacing keeps.

    `"25"`: 25 steps evenly from first to last. `"10,15,20"`: so many from each third. `"ddim25"`: every
    n-th step from 0, n the smallest that leaves exactly 25 (Song et al. 2021).

    Raises `InputError` if there are not enough steps, or no such n.
    """
    counts = _counts(spec)
    if spec.startswith("ddim"):
        for stride in range(1, n_steps):
            if len(range(0, n_steps, stride)) == counts[0]:
                return tuple(range(0, n_steps, stride))
        raise InputError(f"respacing {spec!r:.60}: no whole stride takes {counts[0]} of {n_steps} steps")
    base, extra = divmod(n_steps, len(counts))
    kept: list[int] = []
    start = 0
    for i, count in enumerate(counts):
        size = base + (i < extra)
        if count > size:
            raise InputError(f"respacing {spec!r:.60}: cannot take {count} steps from a section of {size}")
        distance = 1.0 if count == 1 else (size - 1) / (count - 1)
        # The position is summed, not multiplied: rounding must fall as in the original.
        position = 0.0
        for _ in range(count):
            kept.append(start + round(position))
            position += distance
        start += size
    return tuple(kept)


def diffusion_steps(spec: str) -> int:
    """How many diffusion steps a respacing keeps: `"25"` and `"ddim25"` 25, `"10,15,20"` 45.

    Raises `InputError` if the text is no respacing.
    """
    return sum(_counts(spec))


def _counts(spec: str) -> list[int]:
    if not re.fullmatch(RESPACING, spec):
        raise InputError(f"respacing is {spec!r:.60}, must be like 25, ddim25 or 10,15,20")
    return [int(count) for count in spec.removeprefix("ddim").split(",")]
