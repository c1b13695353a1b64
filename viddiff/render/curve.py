"""Curves: a metric over the frames of the videos, or along another axis; a line per mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from viddiff.errors import InputError
from viddiff.render.canvas import EMPTY, FAINT, INK, new_figure, save_figure, web_colour

# Okabe and Ito's colours for lines.
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f5539", "#000000")
_GREYS = {"truth": ("-", INK), "baseline": ((0, (5, 3)), FAINT), "second baseline": ((0, (1, 2)), FAINT)}

Kind = Literal["mode", "companion", "truth", "baseline", "second baseline"]


@dataclass(frozen=True)
class Line:
    """A line of a picture: a value at each position, and how far up and down a band around it goes.

    kind: of a mode, in a colour of its own; a companion of the mode before it, dashed in the same colour; the truth, or
    a baseline, in grey.
    """

    name: str
    positions: Sequence[float]
    values: Sequence[float]
    errors: Sequence[float] | None = None
    kind: Kind = "mode"


def draw_frame_curves(
    path: Path | str,
    curves: Mapping[str, Sequence[float]],
    label: str,
    n_obs: int,
    errors: Mapping[str, Sequence[float]] = MappingProxyType({}),
    baselines: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> None:
    """Write a PNG of a metric over the frames of a video: a line per mode.

    `curves` holds for each mode the means of the generated frames; the first value is that of frame `n_obs`.
    `label` says what the metric is. Infinite values, PSNR of equal frames, are left out. `errors` of some modes'
    means are bands around their lines. `baselines` are grey.

    Raises `InputError` if there is no mode or one has no values; `OutputError` if the picture cannot be
    written.
    """
    lines = [
        Line(name, range(n_obs, n_obs + len(values)), values, errors.get(name))
        for name, values in curves.items()
    ]
    kinds: tuple[Kind, Kind] = ("baseline", "second baseline")
    lines += [
        Line(name, range(n_obs, n_obs + len(values)), values, kind=kinds[number % 2])
        for number, (name, values) in enumerate(baselines.items())
    ]
    draw_lines(path, lines, "frame", label, n_obs)


def draw_lines(
    path: Path | str, lines: Sequence[Line], axis: str, label: str, n_obs: int = 0, *, log: bool = False
) -> None:
    """Write a PNG of lines.

    `axis` and `label` say what positions and values are. The first `n_obs` positions are marked as observed. `log`:
    whether the axis is logarithmic. Values that are not finite are left out.

    Raises `InputError` if there is no mode, or a line has not one value for each position, or none; `OutputError` if
    the picture cannot be written.
    """
    if not any(line.kind == "mode" for line in lines):
        raise InputError("no modes to draw curves of")
    figure, axes = _new_axes(axis, label)
    modes, colour = 0, ""
    for line in lines:
        if line.kind == "mode":
            colour, modes = LINES[modes % len(LINES)], modes + 1
        _draw_line(axes, line, label, colour)
    if n_obs:
        _mark_observed(axes, n_obs)
    if log:
        axes.set_xscale("log")
        axes.set_xticks(sorted({position for line in lines for position in line.positions}))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    elif min(min(line.positions) for line in lines) >= 0:
        axes.set_xlim(left=0)
    _add_legend(axes, "mode")
    save_figure(path, figure)


def draw_absence(path: Path | str, label: str, reason: str) -> None:
    """Write a PNG that says why there are no curves. Raises `OutputError` if it cannot be written."""
    figure, axes = _new_axes("", label)
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, reason, ha="center", va="center", wrap=True, color=web_colour(FAINT))
    save_figure(path, figure)


def _draw_line(axes: Axes, line: Line, label: str, colour: str) -> None:
    values = np.asarray(line.values, dtype=float)
    if values.shape != (len(line.positions),) or not len(values):
        raise InputError(
            f"{line.name}: {label} has shape {list(values.shape)}; allowed is one value per position, of "
            f"{len(line.positions)}"
        )
    values = np.where(np.isfinite(values), values, np.nan)
    style, grey = _GREYS.get(line.kind, ("--" if line.kind == "companion" else "-", None))
    colour = web_colour(grey) if grey else colour
    marker = "o" if len(values) == 1 else None
    axes.plot(
        line.positions, values, color=colour, linewidth=1.6, linestyle=style, label=line.name, marker=marker
    )
    if line.errors is not None:
        error = np.asarray(line.errors, dtype=float)
        axes.fill_between(
            line.positions, values - error, values + error, color=colour, alpha=0.15, linewidth=0
        )


def _mark_observed(axes: Axes, n_obs: int) -> None:
    axes.axvspan(0, n_obs - 0.5, color=web_colour(EMPTY), linewidth=0)
    axes.annotate(
        "observed",
        (0, 1),
        (4, -4),
        "axes fraction",
        "offset points",
        va="top",
        size=9,
        color=web_colour(FAINT),
    )


def _new_axes(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = new_figure(900, 480)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(xlabel, color=web_colour(INK))
    axes.set_ylabel(ylabel, color=web_colour(INK))
    axes.grid(True, color=web_colour(EMPTY), linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=web_colour(INK), labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(web_colour(FAINT))
    return figure, axes


def _add_legend(axes: Axes, title: str) -> None:
    legend = axes.legend(
        title=title, frameon=False, fontsize=9, title_fontsize=9, loc="upper left", bbox_to_anchor=(1, 1)
    )
    legend.set_alignment("left")
