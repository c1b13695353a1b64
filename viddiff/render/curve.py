"""Curves: a metric over the frames of the videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from viddiff.errors import InputError
from viddiff.render.canvas import EMPTY, FAINT, INK, new_figure, save_figure, web_colour

# Okabe and Ito's colours for lines.
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f5539", "#000000")


def draw_frame_curves(
    path: Path | str,
    curves: Mapping[str, Sequence[float]],
    label: str,
    n_obs: int,
    errors: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> None:
    """Write a PNG of a metric over the frames of a video: a line per mode.

    `curves` holds for each mode the means of the generated frames; the first value is that of frame `n_obs`.
    `label` says what the metric is. Infinite values, PSNR of equal frames, are left out. `errors` of some modes'
    means are bands around their lines.

    Raises `InputError` if there is no mode or one has no values; `OutputError` if the picture cannot be
    written.
    """
    if not curves:
        raise InputError("no modes to draw curves of")
    figure, axes = _new_axes("frame", label)
    for (mode, curve), colour in zip(curves.items(), _colours(len(curves)), strict=True):
        values = np.asarray(curve, dtype=float)
        if values.ndim != 1 or not len(values):
            raise InputError(
                f"{mode}: {label} has shape {list(values.shape)}; allowed is one value per frame"
            )
        values = np.where(np.isfinite(values), values, np.nan)
        marker = "o" if len(values) == 1 else None
        frames = n_obs + np.arange(len(values))
        axes.plot(frames, values, color=colour, linewidth=1.6, label=mode, marker=marker)
        if mode in errors:
            error = np.asarray(errors[mode], dtype=float)
            axes.fill_between(frames, values - error, values + error, color=colour, alpha=0.15, linewidth=0)
    if n_obs:
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
    axes.set_xlim(left=0)
    _add_legend(axes, "mode")
    save_figure(path, figure)


def _colours(count: int) -> list[str]:
    return [_LINES[index % len(_LINES)] for index in range(count)]


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
