"""A plan as a picture: stages down, frames of the video across, each cell in the colour of its kind.

Before a stage runs, a frame is known or not yet made; the stage observes some known frames and makes the
latent ones. Cells are whole pixels, so that single frames of a video of 1000 stay visible. Where there are
more frames or stages than pixels, a pixel shows what matters most of its cells: latent frames of a second checkpoint,
chosen ones, then latent, then observed ones.

Where frames have noise levels of their own, the rows are iterations, and the colour of a noisy frame is its level.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from viddiff.inference.plan import Plan
from viddiff.render.canvas import FAINT, INK, PAPER, font, new_figure, save_figure, web_colour
from viddiff.render.cells import COLOURS, MOST_PIXELS, Cell, cell_colours, level_colour, plan_cells, row_count

_NAMES = {
    Cell.KNOWN: "known, not used",
    Cell.OBSERVED: "observed",
    Cell.CHOSEN: "observed, chosen at run time",
    Cell.LATENT: "latent: made by this stage",
    Cell.BY_SECOND: "latent, by the second checkpoint",
    Cell.NOT_MADE: "not yet made",
}
_LEVEL_NAMES = ((1.0, "noise"), (0.5, "half way"), (0.0, "clean by now"))
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 30, 66, 52  # pixels around the cells; a line of facts adds to the top
_LINE = 18  # pixels of a line of facts
_LEGEND, _LEGEND_LEVELS = 600, 300  # pixels that the legend needs, with levels so many more
_LEGEND_SELDOM = {Cell.CHOSEN: 190, Cell.BY_SECOND: 275}  # likewise; they are told where they are


def draw_plan(
    path: Path | str, plan: Plan, *, title: str, facts: Sequence[str] = (), planned: Plan | None = None
) -> None:
    """Write a PNG of the plan under `title`, its mode string, and lines of facts.

    planned: as for `plan_cells`. Raises `OutputError` if the picture cannot be written.
    """
    cells = plan_cells(plan, planned)
    image = cell_image(cells, *cell_size(*cells.shape))
    rows, columns = image.shape[:2]
    seldom = (*_LEGEND_SELDOM, Cell.LATENT) if plan.has_steps else tuple(_LEGEND_SELDOM)
    kinds = [cell for cell in _NAMES if cell not in seldom or (cells == cell).any()]
    legend = legend_width(kinds)
    width = max(
        columns,
        legend + _LEGEND_LEVELS if plan.has_steps else legend,
        *(round(font(13).getlength(line)) for line in facts),
        round(font(17, bold=True).getlength(title)),
    )
    top = _TOP + _LINE * len(facts)
    figure = new_figure(_LEFT + width + _RIGHT, top + rows + _BOTTOM)
    figure.figimage(image, xo=_LEFT, yo=_BOTTOM, origin="upper")
    axes = cell_axes(figure, plan, (_LEFT, _BOTTOM, columns, rows))
    axes.set_xlabel("frame", color=web_colour(INK))
    axes.set_ylabel("iteration" if plan.has_steps else "stage", color=web_colour(INK))
    write_at(figure, _LEFT, 12, title, size=12, weight="bold", color=web_colour(INK))
    for number, line in enumerate(facts):
        write_at(figure, _LEFT, 38 + _LINE * number, line, size=9, color=web_colour(FAINT))
    draw_legend(figure, _LEFT, top - 26, kinds, levels=plan.has_steps)
    save_figure(path, figure)


def cell_size(rows: int, columns: int) -> tuple[int, int]:
    """Width and height of a cell: all fill about 1200 × 700 pixels, more if a cell would be too small."""
    width = min(max(1200 // columns, 2 if columns <= MOST_PIXELS // 2 else 1), 32)
    height = min(max(700 // rows, 3 if rows <= MOST_PIXELS // 3 else 1), 16)
    return width, height


def cell_image(
    cells: UInt8[np.ndarray, "rows columns"], width: int, height: int
) -> UInt8[np.ndarray, "H W 3"]:
    """The cells in their colours, `width` × `height` pixels each."""
    image = cell_colours()[cells].repeat(height, axis=0).repeat(width, axis=1)
    if height > 4:  # a line between stages
        image[height - 1 :: height] = PAPER
    return image


def cell_axes(figure: Figure, plan: Plan, place: tuple[int, int, int, int]) -> Axes:
    """Axes of frames and stages, or iterations, over the image of a plan.

    place: its left, bottom, width, height in pixels.
    """
    width, height = figure.get_size_inches() * figure.dpi
    left, bottom, columns, rows = place
    axes = figure.add_axes((left / width, bottom / height, columns / width, rows / height), facecolor="none")
    axes.set_xlim(-0.5, plan.length - 0.5)
    axes.set_ylim(row_count(plan) - 0.5, -0.5)
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=min(12, max(1, columns // 60)), integer=True, steps=[1, 2, 5, 10])
    )
    axes.yaxis.set_major_locator(MaxNLocator(nbins=max(1, rows // 32), integer=True, steps=[1, 2, 5, 10]))
    axes.tick_params(colors=web_colour(INK), labelsize=9)
    axes.spines[:].set_visible(False)
    return axes


def write_at(figure: Figure, left: int, top: int, text: str, **style: Any) -> None:
    """Write a line of text; its upper left corner is at pixel (left, top), counted from the top."""
    width, height = figure.get_size_inches() * figure.dpi
    figure.text(left / width, 1 - top / height, text, va="top", **style)


def legend_width(kinds: Sequence[Cell]) -> int:
    """The pixels that the legend of these kinds needs."""
    return _LEGEND + sum(_LEGEND_SELDOM.get(kind, 0) for kind in kinds)


def draw_legend(figure: Figure, left: int, top: int, kinds: Sequence[Cell], levels: bool = False) -> None:
    """The colours of the kinds in one row, and of noise levels; its upper left corner is at pixel (left, top)."""
    width, height = figure.get_size_inches() * figure.dpi
    entries = [(COLOURS[cell], _NAMES[cell]) for cell in kinds]
    if levels:
        entries += [(level_colour(noise), name) for noise, name in _LEVEL_NAMES]
    figure.legend(
        handles=[Patch(facecolor=web_colour(colour), label=name) for colour, name in entries],
        loc="upper left",
        bbox_to_anchor=(left / width, 1 - top / height),
        borderaxespad=0,
        borderpad=0,
        ncols=len(entries),
        frameon=False,
        fontsize=9,
        handlelength=1.2,
        handleheight=1.0,
        columnspacing=1.6,
        labelcolor=web_colour(INK),
    )
