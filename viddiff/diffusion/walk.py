"""Frames of windows on ways of their own through the noise levels: how a step of a plan is executed.

Diffusion Forcing: Chen et al. 2024 (arXiv 2407.01392), algorithm 2: at each evaluation the network is told a level of
each frame, and each frame goes to its next one. See `docs/levels.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate
from viddiff.diffusion.level_path import level_paths
from viddiff.diffusion.noise_schedule import CLEAN, FrameLevels, Level
from viddiff.window import StepNoise, Walk, Window, WindowFrames

LevelNumbers = Sequence[
    Sequence[int]
]  # of windows, of their frames: the number of a diffusion level, 0: clean


def walked(
    denoise: Denoise,
    step: Callable[..., Tensor],
    window: Window,
    walk: Walk,
    levels: Sequence[Level],
    noise: StepNoise,
) -> WindowFrames:
    """The window's frames after a walk; those that are not latent, or are held, as they were.

    denoise: of the window; step: of a sampler, see `viddiff.diffusion.samplers.base.find_step`; levels: all diffusion
    levels, the noisiest first. A window with fewer evaluations than others of its batch is done before them; nothing
    depends on the batch.
    """
    ladder = [CLEAN, *reversed(levels)]
    paths = [
        level_paths(starts, ends, walk.levels, len(levels))
        for starts, ends in zip(walk.starts, walk.ends, strict=True)
    ]
    x = window.frames
    for number in range(max(len(path) for row in paths for path in row) - 1):
        now, after = (
            [[path[min(n, len(path) - 1)] for path in row] for row in paths] for n in (number, number + 1)
        )
        estimate = denoise(x, level_of(told_levels(now), ladder, x))
        x = _moved(x, estimate, now, after, ladder, step, cache(lambda number=number: noise(number)))
    return x


def told_levels(levels: LevelNumbers) -> list[list[int]]:
    """The levels that a network is told: of clean frames and padding, 0 here, that of the least noisy other one."""
    rows = []
    for row in levels:
        lowest = min((level for level in row if level), default=1)
        rows.append([level or lowest for level in row])
    return rows


def level_of(told: LevelNumbers, ladder: Sequence[Level], x: Tensor) -> Level:
    """The levels as denoisers take them: as one where all frames of all windows are alike."""
    alike = {level for row in told for level in row}
    if len(alike) == 1:
        return ladder[alike.pop()]

    def table(name: str) -> Any:
        values = [[getattr(ladder[level], name) for level in row] for row in told]
        return torch.tensor(values, dtype=x.dtype, device=x.device)

    def broadcast(values: Any) -> Any:
        return values[:, :, None, None, None]

    return FrameLevels(broadcast(table("alpha")), broadcast(table("sigma")), table("t"))


def _moved(
    x: Tensor,
    estimate: Estimate,
    now: LevelNumbers,
    after: LevelNumbers,
    ladder: Sequence[Level],
    step: Callable[..., Tensor],
    noise: Callable[[], Tensor],
) -> Tensor:
    """The frames one evaluation later: those with the same way are taken together."""
    result = x.clone()
    pairs = [list(zip(*rows, strict=True)) for rows in zip(now, after, strict=True)]
    for start, end in sorted({pair for row in pairs for pair in row if pair[0] > pair[1]}):
        these = torch.tensor([[pair == (start, end) for pair in row] for row in pairs], device=x.device)
        v = estimate.v[these] if estimate.v.ndim else estimate.v
        there = Estimate(estimate.x_0[these], v)
        result[these] = step(x[these], there, ladder[start], ladder[end], lambda these=these: noise()[these])
    return result
