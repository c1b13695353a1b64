"""What each frame of a video is in each stage of a plan, as numbers that pictures colour.

In a plan with steps (`docs/levels.md`) the rows are waves, and a frame that is noisy after a wave has its level.
"""

from __future__ import annotations

from enum import IntEnum

import matplotlib
import numpy as np
from jaxtyping import UInt8

from viddiff.inference.plan import Plan, waves
from viddiff.render.canvas import BY_SECOND, CHOSEN, EMPTY, GENERATED, KNOWN, OBSERVED, Colour

MOST_PIXELS = 4000  # of a side
SHADES = 100  # of noise: a level of 0, clean just now, to the noisiest
_FIRST_SHADE = 16  # the cell of the first of them


class Cell(IntEnum):
    """What a frame is in a stage, in rising order of what a pixel shows of several. Noise comes before all."""

    NOT_MADE = 0
    KNOWN = 1
    OBSERVED = 2
    LATENT = 3
    CHOSEN = 4
    BY_SECOND = 5


COLOURS = {
    Cell.NOT_MADE: EMPTY,
    Cell.KNOWN: KNOWN,
    Cell.OBSERVED: OBSERVED,
    Cell.LATENT: GENERATED,
    Cell.CHOSEN: CHOSEN,
    Cell.BY_SECOND: BY_SECOND,
}


def plan_cells(
    plan: Plan, planned: Plan | None = None, most: int = MOST_PIXELS
) -> UInt8[np.ndarray, "rows columns"]:
    """The `Cell` of each frame in each stage; of several, if there are more than `most` frames or stages.

    planned: the plan before its content was known; observed frames that it does not name are `CHOSEN`. Of a plan with
    steps the cells after each wave, those of noisy frames as `level_cell` says.
    """
    if plan.has_steps:
        return _level_cells(plan, most)
    stages, frames = _share(len(plan.stages), most), _share(plan.length, most)
    starts = np.arange(0, plan.length, frames)
    cells = np.zeros((-(-len(plan.stages) // stages), len(starts)), dtype=np.uint8)
    before = np.full(plan.length, Cell.NOT_MADE, dtype=np.uint8)
    before[list(plan.true_frames)] = Cell.KNOWN
    for number, stage in enumerate(plan.stages):
        named = planned.stages[number].observed if planned else stage.observed
        now = before.copy()
        now[list(stage.observed)] = Cell.CHOSEN
        now[[frame for frame in named if frame in stage.observed]] = Cell.OBSERVED
        now[list(stage.latent)] = Cell.BY_SECOND if stage.second else Cell.LATENT
        row = cells[number // stages]
        np.maximum(row, np.maximum.reduceat(now, starts), out=row)
        before[list(stage.latent)] = Cell.KNOWN
    return cells


def row_count(plan: Plan) -> int:
    """Rows of the plan's picture: its stages, or its waves if it has steps."""
    return len(waves(plan)) if plan.has_steps else len(plan.stages)


def level_cell(level: int, levels: int) -> int:
    """The cell of a frame at a noise level, 0 to `levels`."""
    return _FIRST_SHADE + round(SHADES * level / levels)


def cell_colours() -> UInt8[np.ndarray, "cells 3"]:
    """The colour of each cell, by its number. Noise is dark, what has just become clean is light."""
    colours = np.zeros((_FIRST_SHADE + SHADES + 1, 3), dtype=np.uint8)
    for cell in Cell:
        colours[cell] = COLOURS[cell]
    colours[_FIRST_SHADE:] = [level_colour(shade / SHADES) for shade in range(SHADES + 1)]
    return colours


def level_colour(noise: float) -> Colour:
    """The colour of a share of noise, 0 to 1."""
    red, green, blue, _ = matplotlib.colormaps["YlGnBu"](0.25 + 0.75 * noise, bytes=True)
    return int(red), int(green), int(blue)


def _level_cells(plan: Plan, most: int) -> UInt8[np.ndarray, "rows columns"]:
    in_order = waves(plan)
    shared, frames = _share(len(in_order), most), _share(plan.length, most)
    starts = np.arange(0, plan.length, frames)
    cells = np.zeros((-(-len(in_order) // shared), len(starts)), dtype=np.uint8)
    state = np.full(plan.length, Cell.NOT_MADE, dtype=np.uint8)
    state[list(plan.true_frames)] = Cell.KNOWN
    clean = level_cell(0, 1)
    for number, wave in enumerate(in_order):
        state[state == clean] = Cell.KNOWN
        now = state.copy()
        for stage in (plan.stages[n] for n in wave):
            now[list(stage.observed)] = Cell.OBSERVED
        for stage in (plan.stages[n] for n in wave):
            if not stage.is_step:
                now[list(stage.latent)] = Cell.LATENT
                state[list(stage.latent)] = Cell.KNOWN
                continue
            for frame, start, end in zip(stage.latent, stage.starts, stage.ends, strict=True):
                now[frame] = level_cell(end, stage.levels)
                if start != end:
                    state[frame] = now[frame]
        row = cells[number // shared]
        np.maximum(row, np.maximum.reduceat(now, starts), out=row)
    return cells


def _share(count: int, most: int) -> int:
    """How many of `count` things share a place, if there are `most` places."""
    return -(-count // most)
