"""The curves of a training: losses, gradients, speed, and what its completed test videos are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from viddiff.render.canvas import EMPTY, FAINT, INK, new_figure, save_figure, web_colour
from viddiff.render.curve import LINES

_QUARTERS = tuple(f"loss_q{quarter}" for quarter in range(4))
_SMOOTH = 200  # points of a line, more rows are averaged

Rows = Sequence[Mapping[str, str]]


def draw_training(path: Path | str, rows: Rows, looks: Rows) -> None:
    """Write a PNG of a training's log and of its looks at test videos.

    rows: of `log.csv`; looks: of `validation.csv`, perhaps none. Raises `OutputError` if it cannot be written.
    """
    figure = new_figure(1200, 640)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(2, 3).ravel()
    for place, title in zip(
        axes,
        (
            "loss",
            "loss, by quarter of the diffusion steps (q0: least noise)",
            "gradient norm",
            "seconds per step",
            "completed test videos: RMSE, of the range of pixels",
            "completed test videos: motion (of the truth: 1)",
        ),
        strict=True,
    ):
        _prepare(place, title)
    _line(axes[0], rows, "loss", LINES[0], label="training")
    _line(axes[0], looks, "loss", LINES[1], "o--", label="test videos, fixed levels and noise")
    for number, name in enumerate(_QUARTERS):
        _line(axes[1], rows, name, LINES[number], label=name[-2:])
        _line(axes[1], looks, name, LINES[number], "o--")
    _line(axes[2], rows, "grad_norm", LINES[0])
    _line(axes[3], rows, "seconds_per_step", LINES[0])
    _line(axes[4], looks, "rmse", LINES[1], "o-")
    _line(axes[5], looks, "motion", LINES[1], "o-")
    axes[5].axhline(1, color=web_colour(FAINT), linewidth=1)
    if not looks:
        for place in axes[4:]:
            place.set(xticks=[], yticks=[])
            place.text(
                0.5, 0.5, "no look at test videos yet", ha="center", va="center", color=web_colour(FAINT)
            )
    for place in axes[:3]:
        place.set_yscale("log")
    for place in axes[:2]:
        place.legend(frameon=False, fontsize=8)
    save_figure(path, figure)


def _prepare(axes: Axes, title: str) -> None:
    axes.set_title(title, size=9, color=web_colour(INK))
    axes.set_xlabel("training step", size=8, color=web_colour(INK))
    axes.grid(True, color=web_colour(EMPTY), linewidth=0.8)
    axes.tick_params(which="both", colors=web_colour(INK), labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(web_colour(FAINT))


def _line(axes: Axes, rows: Rows, name: str, colour: str, style: str = "-", label: str = "") -> None:
    """A line of a column; figures that are not finite are left out, and neighbours of many rows averaged."""
    points = np.array([(float(row["step"]), float(row[name])) for row in rows]).reshape(-1, 2)
    points = points[np.isfinite(points[:, 1])]
    if len(points) > _SMOOTH:
        points = np.array([part.mean(0) for part in np.array_split(points, _SMOOTH)])
    if len(points):
        axes.plot(*points.T, style, color=colour, linewidth=1.4, markersize=3, label=label or None)
