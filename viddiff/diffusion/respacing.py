"""Respacing: sampling with some of the diffusion steps that the network was trained on, told in a few characters."""

from __future__ import annotations

import re

from viddiff.errors import InputError

BY_NOISE = ("logsnr", "karras")
"""Spacings that need the noise of each step: `viddiff.diffusion.spacing` computes them."""

SPACINGS = ("ddim", "trailing", *BY_NOISE)
"""What stands before a number of steps that are not spaced evenly from first to last."""

_COUNT = "[1-9][0-9]{0,5}"
RESPACING = f"(?:{'|'.join(SPACINGS)})?{_COUNT}|{_COUNT}(?:,{_COUNT})+"


def respaced_steps(n_steps: int, spec: str) -> tuple[int, ...]:
    """The steps that a respacing keeps which asks for their places alone.

    `"25"`: 25 steps evenly from first to last. `"10,15,20"`: so many from each third. `"ddim25"`: every
    n-th step from 0, n the smallest that leaves exactly 25 (Song et al. 2021). `"trailing25"`: evenly from the last
    down, the first one as far from the clean frames as the steps from each other (Lin et al. 2023, arXiv 2305.08891,
    section 3.3).

    Raises `InputError` if there are not enough steps, or no such n.
    """
    kind, counts = read_respacing(spec)
    if kind == "ddim":
        for stride in range(1, n_steps):
            if len(range(0, n_steps, stride)) == counts[0]:
                return tuple(range(0, n_steps, stride))
        raise InputError(f"respacing {spec!r:.60}: no whole stride takes {counts[0]} of {n_steps} steps")
    if kind == "trailing":
        _check_enough(n_steps, spec, counts[0])
        return tuple(round(n_steps * i / counts[0]) - 1 for i in range(1, counts[0] + 1))
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


def check_respacing(n_steps: int, spec: str) -> None:
    """Raise `InputError` unless a respacing can keep its steps of so many."""
    kind, counts = read_respacing(spec)
    if kind in BY_NOISE:
        _check_enough(n_steps, spec, counts[0])
    else:
        respaced_steps(n_steps, spec)


def diffusion_steps(spec: str) -> int:
    """How many diffusion steps a respacing keeps: `"25"` and `"karras25"` 25, `"10,15,20"` 45.

    Raises `InputError` if the text is no respacing.
    """
    return sum(read_respacing(spec)[1])


def read_respacing(spec: str) -> tuple[str, list[int]]:
    """The kind of a respacing, "" for evenly, and its numbers of steps. Raises `InputError` if the text is none."""
    if not re.fullmatch(RESPACING, spec):
        raise InputError(
            f"respacing is {spec!r:.60}, must be like 25, ddim25, 10,15,20, logsnr25, karras25 or trailing25"
        )
    kind = spec.rstrip("0123456789,")
    return kind, [int(count) for count in spec.removeprefix(kind).split(",")]


def _check_enough(n_steps: int, spec: str, count: int) -> None:
    if count > n_steps:
        raise InputError(f"respacing {spec!r:.60}: cannot take {count} of {n_steps} steps")
