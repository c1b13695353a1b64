"""A plan as a picture: stages down, frames of the video across, each cell in one of four colours.

Before a stage runs, a frame is known or not yet made; the stage observes some known frames and makes the
latent ones. Cells are whole pixels, so that single frames of a video of 1000 stay visible.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from viddiff.inference.plan import Plan
from viddiff.render.canvas import (
    EMPTY,
    FAINT,
    GENERATED,
    INK,
    KNOWN,
    OBSERVED,
    PAPER,
    new_figure,
    save_figure,
    web_colour,
)


class Cell(IntEnum):
    """What a frame is in a stage."""

    NOT_MADE = 0
    KNOWN = 1
    OBSERVED = 2
    LATENT = 3


COLOURS = {Cell.NOT_MADE: EMPTY, Cell.KNOWN: KNOWN, Cell.OBSERVED: OBSERVED, Cell.LATENT: GENERATED}
_NAMES = {
    Cell.KNOWN: "known, not used",
    Cell.OBSERVED: "observed",
    Cell.LATENT: "latent: made by this stage",
    Cell.NOT_MADE: "not yet made",
}
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 30, 86, 52  # pixels around the cells
_LEGEND = 600  # pixels that the legend needs


def plan_cells(plan: Plan) -> UInt8[np.ndarray, "stages length"]:
    """The `Cell` of each frame in each stage."""
    cells = np.full((len(plan.stages), plan.length), Cell.NOT_MADE, dtype=np.uint8)
    cells[:, list(plan.true_frames)] = Cell.KNOWN
    for number, stage in enumerate(plan.stages):
        cells[number + 1 :, list(stage.latent)] = Cell.KNOWN
        cells[number, list(stage.observed)] = Cell.OBSERVED
        cells[number, list(stage.latent)] = Cell.LATENT
    return cells


def draw_plan(path: Path | str, plan: Plan, max_frames: int, *, title: str) -> None:
    """Write a PNG of the plan under `title`, its mode string.

    Observed frames that are chosen at run time have no place yet: the line below the title counts them.
    Raises `PlanError` if the plan cannot be executed in windows of `max_frames`; `OutputError` if it cannot
    be written.
    """
    plan.check(max_frames)
    cells = plan_cells(plan)
    width, height = cell_size(*cells.shape)
    colours = np.array([COLOURS[cell] for cell in Cell], dtype=np.uint8)[cells]
    image = colours.repeat(height, axis=0).repeat(width, axis=1)
    if height > 4:  # a line between stages
        image[height - 1 :: height] = PAPER
    rows, columns = image.shape[:2]

    figure = new_figure(_LEFT + max(columns, _LEGEND) + _RIGHT, _TOP + rows + _BOTTOM)
    figure.figimage(image, xo=_LEFT, yo=_BOTTOM, origin="upper")
    _draw_axes(figure, plan, rows, columns)
    _draw_texts(figure, plan, max_frames, title)
    save_figure(path, figure)


def cell_size(stages: int, length: int) -> tuple[int, int]:
    """Width and height of a cell: all fill about 1200 × 700 pixels, more if a cell would be too small."""
    width = min(max(1200 // length, 2 if length <= 2000 else 1), 32)
    height = min(max(700 // stages, 3), 16)
    return width, height


def _draw_axes(figure: Figure, plan: Plan, rows: int, columns: int) -> None:
    """Axes whose unit is one cell, exactly over the image."""
    width, height = figure.get_size_inches() * figure.dpi
    axes = figure.add_axes(
        (_LEFT / width, _BOTTOM / height, columns / width, rows / height), facecolor="none"
    )
    axes.set_xlim(-0.5, plan.length - 0.5)
    axes.set_ylim(len(plan.stages) - 0.5, -0.5)
    axes.set_xlabel("frame", color=web_colour(INK))
    axes.set_ylabel("stage", color=web_colour(INK))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=max(1, rows // 32), integer=True, steps=[1, 2, 5, 10]))
    axes.tick_params(colors=web_colour(INK), labelsize=9)
    axes.spines[:].set_visible(False)


def _draw_texts(figure: Figure, plan: Plan, max_frames: int, title: str) -> None:
    """The title, a line of facts and the legend, above the cells."""
    width, height = figure.get_size_inches() * figure.dpi
    figure.text(
        _LEFT / width, 1 - 12 / height, title, va="top", size=12, weight="bold", color=web_colour(INK)
    )
    selected = sum(stage.n_select for stage in plan.stages)
    facts = f"{_count(len(plan.stages), 'stage')} in windows of up to {_count(max_frames, 'frame')}"
    if selected:
        facts += f"; {_count(selected, 'more observed frame')} chosen at run time"
    figure.text(_LEFT / width, 1 - 34 / height, facts, va="top", size=9, color=web_colour(FAINT))
    figure.legend(
        handles=[Patch(facecolor=web_colour(COLOURS[cell]), label=name) for cell, name in _NAMES.items()],
        loc="upper left",
        bbox_to_anchor=(_LEFT / width, 1 - 56 / height),
        borderaxespad=0,
        borderpad=0,
        ncols=len(_NAMES),
        frameon=False,
        fontsize=9,
        handlelength=1.2,
        handleheight=1.0,
        columnspacing=1.6,
        labelcolor=web_colour(INK),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
