"""Many plans in one picture, each with a line on its cost, in rows of panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from viddiff.errors import InputError
from viddiff.inference.plan import Plan
from viddiff.render.canvas import FAINT, INK, font, new_figure, save_figure, web_colour
from viddiff.render.plan import Cell, cell_axes, cell_image, draw_legend, legend_width, plan_cells, write_at

MOST_PIXELS = 1200  # of a side of a panel's cells
_LEFT, _RIGHT, _ABOVE, _BELOW = 56, 30, 42, 36  # pixels around the cells of a panel
_LEGEND = 48  # height of the legend above all panels
_WIDE = 700  # pixels of cells; a picture of wider ones has two columns, else three
_KINDS = (Cell.KNOWN, Cell.OBSERVED, Cell.LATENT, Cell.NOT_MADE)


@dataclass(frozen=True)
class Panel:
    """A plan, the mode string above it and a line of facts."""

    mode: str
    plan: Plan
    facts: str


def draw_plans(path: Path | str, panels: Sequence[Panel]) -> None:
    """Write a PNG of all panels.

    Raises `InputError` if there is none; `OutputError` if the picture cannot be written.
    """
    if not panels:
        raise InputError("no plans to draw")
    images = []
    for panel in panels:
        cells = plan_cells(panel.plan, most=MOST_PIXELS)
        images.append(cell_image(cells, *panel_cell_size(*cells.shape)))
    width = max(max(image.shape[1], _text_width(panel)) for image, panel in zip(images, panels, strict=True))
    columns = min(len(panels), 2 if width > _WIDE else 3)
    rows = [range(first, min(first + columns, len(panels))) for first in range(0, len(panels), columns)]
    heights = [_ABOVE + max(images[index].shape[0] for index in row) + _BELOW for row in rows]

    seconds = any(panel.plan.second_checkpoint for panel in panels)
    kinds = (*_KINDS, Cell.BY_SECOND) if seconds else _KINDS
    least = _LEFT + legend_width(kinds) if seconds else 0
    figure = new_figure(max(least, columns * (_LEFT + width + _RIGHT)), _LEGEND + sum(heights))
    bottom = _LEGEND + sum(heights)
    draw_legend(figure, _LEFT, 14, kinds, levels=any(panel.plan.has_steps for panel in panels))
    for number, row in enumerate(rows):
        top = _LEGEND + sum(heights[:number])
        for column, index in enumerate(row):
            panel, image = panels[index], images[index]
            left = column * (_LEFT + width + _RIGHT) + _LEFT
            below = bottom - top - _ABOVE - image.shape[0]
            figure.figimage(image, xo=left, yo=below, origin="upper")
            cell_axes(figure, panel.plan, (left, below, image.shape[1], image.shape[0]))
            write_at(figure, left, top, panel.mode, size=10, weight="bold", color=web_colour(INK))
            write_at(figure, left, top + 20, panel.facts, size=8, color=web_colour(FAINT))
    save_figure(path, figure)


def panel_cell_size(rows: int, columns: int) -> tuple[int, int]:
    """Width and height of a cell: all fill about 600 × 300 pixels, more if there are more cells."""
    return min(max(600 // columns, 1), 24), min(max(300 // rows, 2 if rows <= MOST_PIXELS // 2 else 1), 12)


def _text_width(panel: Panel) -> int:
    return round(max(font(14, bold=True).getlength(panel.mode), font(11).getlength(panel.facts)))
