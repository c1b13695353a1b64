"""Strategies from a matrix of noise levels: a row for each iteration, a column for each frame that is to be made.

The matrix says where frames are after each iteration; before the first all are noise. Its largest number is the noise.
Chen et al. 2024 (arXiv 2407.01392), section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from viddiff.errors import InputError, PlanError
from viddiff.inference.plan import Stage
from viddiff.inference.strategies import Stages, newest


def level_matrix(rows: Sequence[Sequence[int]]) -> Stages:
    """The strategy of a matrix; it completes videos of as many frames after the given ones as it has columns.

    In an iteration the window holds all frames that have begun and are noisy, or begin, and as many of the newest clean
    frames before the last of these as fit. Iterations that move nothing are left out.

    Raises `InputError` for a matrix of rows of different lengths, of a level that rises, or that leaves a frame noisy.
    The strategy raises `PlanError` for another number of frames, and where noisy frames overfill the window.
    """
    if not rows or not rows[0]:
        raise InputError(
            "matrix is empty, must have a row for each iteration and a column for each frame to make"
        )
    columns, noise = len(rows[0]), max((level for row in rows for level in row), default=0)
    before: Sequence[int] = [max(noise, 1)] * columns
    for number, row in enumerate(rows):
        if len(row) != columns:
            raise InputError(f"matrix row {number} has {len(row)} levels, must have {columns}, as row 0")
        for column, (start, end) in enumerate(zip(before, row, strict=True)):
            if end > start:
                raise InputError(
                    f"matrix row {number} takes frame {column} up from level {start} to {end}: levels must fall"
                )
        before = row
    if any(before):
        column = next(column for column, level in enumerate(before) if level)
        raise InputError(
            f"matrix leaves frame {column} noisy, at level {before[column]}: the last row must be 0 for every frame"
        )

    def rule(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
        if length - n_obs != columns:
            raise PlanError(
                f"T - obs_length is {length - n_obs}, must be {columns}: the matrix has a column for each frame to make"
            )
        levels = max(noise, 1)
        now: Sequence[int] = [levels] * columns
        for number, row in enumerate(rows):
            inside = [n_obs + c for c in range(columns) if now[c] and (now[c] < levels or row[c] < levels)]
            if list(row) != list(now):
                if len(inside) > window:
                    raise PlanError(
                        f"max_frames is {window}, but row {number} of the matrix has {len(inside)} noisy frames"
                    )
                clean = [*range(n_obs), *(n_obs + c for c in range(columns) if not now[c])]
                seen = [clean[i] for i in newest(window - len(inside), sum(f < inside[-1] for f in clean))]
                starts = tuple(now[frame - n_obs] for frame in inside)
                ends = tuple(row[frame - n_obs] for frame in inside)
                yield Stage(tuple(seen), tuple(inside), 0, levels, starts, ends)
            now = row

    return rule
