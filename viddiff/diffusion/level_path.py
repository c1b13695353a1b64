"""The diffusion levels through which a step of a plan takes its frames: see `docs/levels.md`.

A plan counts levels in parts of the way from noise to clean. With S diffusion steps, diffusion level S is the noisiest
and 0 is clean; level k of n is `ceil(S k / n)`, so 0 is clean and nothing else is.
"""

from __future__ import annotations

from collections.abc import Sequence

from viddiff.errors import InputError


def check_levels(levels: int, diffusion_steps: int) -> None:
    """Raise `InputError` if a plan tells more levels apart than there are diffusion steps."""
    if levels > diffusion_steps:
        raise InputError(
            f"the mode takes frames through {levels} noise levels, but there are {diffusion_steps} diffusion steps; "
            f"must be {levels} or more"
        )


def diffusion_level(level: int, levels: int, diffusion_steps: int) -> int:
    """The diffusion level, 0 to `diffusion_steps`, of a plan's level, 0 to `levels`."""
    return -(-diffusion_steps * level // levels)


def step_evaluations(starts: Sequence[int], ends: Sequence[int], levels: int, diffusion_steps: int) -> int:
    """Network evaluations of a step: as many as diffusion levels lie between start and end, of the frame with most."""
    spans = zip(starts, ends, strict=True)
    return max((_span(start, end, levels, diffusion_steps) for start, end in spans), default=0)


def level_paths(
    starts: Sequence[int], ends: Sequence[int], levels: int, diffusion_steps: int
) -> list[tuple[int, ...]]:
    """For each frame its diffusion levels, before the first evaluation and after each one.

    A frame with fewer levels to go than evaluations falls by one at a time, at even intervals, at last in the last one.
    """
    count = step_evaluations(starts, ends, levels, diffusion_steps)
    paths = []
    for start, end in zip(starts, ends, strict=True):
        lowest, span = (
            diffusion_level(end, levels, diffusion_steps),
            _span(start, end, levels, diffusion_steps),
        )
        paths.append(tuple(lowest - (-span * left // (count or 1)) for left in range(count, -1, -1)))
    return paths


def _span(start: int, end: int, levels: int, diffusion_steps: int) -> int:
    return diffusion_level(start, levels, diffusion_steps) - diffusion_level(end, levels, diffusion_steps)
