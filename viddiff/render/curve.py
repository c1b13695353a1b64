"""Curves: the training loss over steps, and a metric over the frames of the videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from viddiff.errors import InputError
from viddiff.render.canvas import EMPTY, FAINT, INK, new_figure, save_figure, web_colour

# Okabe and Ito's colours for lines; the first quartile of diffusion steps has the least noise.
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f5539", "#000000")
_LOSSES = {
    "loss": ("all diffusion steps", web_colour(INK)),
    "loss_q0": ("1st quarter (least noise)", "#cc79a7"),
    "loss_q1": ("2nd quarter", "#d55e00"),
    "loss_q2": ("3rd quarter", "#009e73"),
    "loss_q3": ("4th quarter (most noise)", "#0072b2"),
}
_POINTS = 100  # about as many independent points a smoothed line has
_METRICS = {
    "psnr": "PSNR in dB (higher is better)",
    "ssim": "SSIM (higher is better)",
    "lpips": "LPIPS (lower is better)",
}


def draw_curve(path: Path | str, csv: Path | str) -> None:
    """Write a PNG of the loss over training steps from a CSV log with the columns `step` and `loss`.

    The loss axis is logarithmic. Columns `loss_q0` to `loss_q3`, the loss by quarter of the diffusion steps,
    are drawn if they are there; others are ignored, as are empty cells. Of rows with the same step, as a
    resumed run writes them, the last counts. Values are faint, their running means strong.

    Raises `InputError` naming the file if it is not such a log, `OutputError` if the picture cannot be
    written.
    """
    log = _read_log(csv)
    figure, axes = _new_axes("training step", "loss")
    for column, (label, colour) in _LOSSES.items():
        if column in log:
            values = log[column].dropna()
            values = values[values > 0]
            strong = 2.0 if column == "loss" else 1.2
            axes.plot(values.index, values, color=colour, alpha=0.18, linewidth=0.8)
            axes.plot(values.index, _smooth(values), color=colour, linewidth=strong, label=label)
    axes.set_yscale("log")
    axes.margins(x=0.01)
    _add_legend(axes, "diffusion steps")
    save_figure(path, figure)


def draw_frame_curves(
    path: Path | str, curves: Mapping[str, Sequence[float]], metric: str, n_obs: int
) -> None:
    """Write a PNG of a metric over the frames of a video: a line per mode.

    `curves` holds for each mode the means of the generated frames; the first value is that of frame `n_obs`.
    `metric` is "psnr", "ssim" or "lpips". Infinite values, PSNR of equal frames, are left out.

    Raises `InputError` if there is no mode or one has no values; `OutputError` if the picture cannot be
    written.
    """
    if metric not in _METRICS:
        raise InputError(f"metric is {metric!r}; allowed are {', '.join(_METRICS)}")
    if not curves:
        raise InputError(f"no modes to draw the {metric} of")
    figure, axes = _new_axes("frame", _METRICS[metric])
    for (mode, curve), colour in zip(curves.items(), _colours(len(curves)), strict=True):
        values = np.asarray(curve, dtype=float)
        if values.ndim != 1 or not len(values):
            raise InputError(
                f"{mode}: {metric} has shape {list(values.shape)}; allowed is one value per frame"
            )
        values = np.where(np.isfinite(values), values, np.nan)
        marker = "o" if len(values) == 1 else None
        axes.plot(
            n_obs + np.arange(len(values)), values, color=colour, linewidth=1.6, label=mode, marker=marker
        )
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


def _read_log(csv: Path | str) -> pd.DataFrame:
    """The log's numbers with the steps as index, rising."""
    try:
        log = pd.read_csv(csv)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{csv}: not a training log: {error}") from error
    for column in ("step", "loss"):
        if column not in log:
            raise InputError(f"{csv}: no column {column!r}; found {', '.join(map(str, log.columns))}")
    if log.empty:
        raise InputError(f"{csv}: the training log has no rows yet")
    log = log[[column for column in ("step", *_LOSSES) if column in log]]
    for column in log:
        if not pd.api.types.is_numeric_dtype(log[column]):
            raise InputError(f"{csv}: column {column!r} holds other things than numbers")
    return log.dropna(subset="step").drop_duplicates("step", keep="last").set_index("step").sort_index()


def _smooth(values: pd.Series) -> pd.Series:
    """The running mean of a log, over a hundredth of it, centred."""
    return values.rolling(max(1, len(values) // _POINTS), center=True, min_periods=1).mean()


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
