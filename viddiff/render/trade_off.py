"""What quality costs: a panel for each metric and mode, quality against network evaluations, a line per sampler.

Or against something else, in the same form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator
from matplotlib.typing import LineStyleType

from viddiff.errors import InputError
from viddiff.render.canvas import EMPTY, FAINT, INK, KNOWN, PAPER, Colour, new_figure, save_figure, web_colour

# Okabe and Ito's colours; markers tell as much to those who do not see these.
_STYLES = (
    ("#0072b2", "o"),
    ("#d55e00", "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#e69f00", "v"),
    ("#56b4e9", "P"),
    ("#7f5539", "X"),
    ("#000000", "<"),
)
_WIDTH, _HEIGHT, _LEGEND = 320, 290, 210  # pixels of a panel, and beside all of them
_DODGE = 1.02  # the factor between half steps of samplers, so that bars do not hide each other
_BAND = 0.45  # opacity

Level = Literal["truth", "floor"]
_LEVELS: Mapping[Level, tuple[LineStyleType, Colour]] = {"truth": ("-", INK), "floor": ((0, (5, 3)), FAINT)}


@dataclass(frozen=True)
class Point:
    """A value at a place, a number of network evaluations. error: half of the bar about it; filled: whether its marker
    is."""

    place: float
    value: float
    error: float | None = None
    filled: bool = True


@dataclass(frozen=True)
class Panel:
    """A metric in a mode.

    samplers: points by the sampler's name; reference: what they are compared with, `None` if the metric is not defined,
    for that reason; tolerance: half of the band about it; levels: other values to look at.
    """

    label: str
    samplers: Mapping[str, Sequence[Point]]
    reference: Point | None
    tolerance: float
    levels: Mapping[Level, float]
    reason: str = ""


@dataclass(frozen=True)
class Words:
    """What the axis of places is, and what the legend says of the reference, the band, the levels, the bars, filled
    markers and empty ones."""

    places: str
    reference: str
    band: str
    levels: Mapping[Level, str]
    bars: str
    filled: str
    empty: str


def draw_trade_off(path: Path | str, rows: Mapping[str, Sequence[Panel]], words: Words) -> None:
    """Write a PNG: a row of panels for each mode, by its name; values that are not finite are left out.

    Raises `InputError` if there is no panel; `OutputError` if the picture cannot be written.
    """
    panels = [panel for row in rows.values() for panel in row]
    if not panels:
        raise InputError("no panels to draw")
    columns = max(map(len, rows.values()))
    figure = new_figure(columns * _WIDTH + _LEGEND, len(rows) * _HEIGHT)
    figure.set_layout_engine("constrained", h_pad=0.08, w_pad=0.08)
    names = list(dict.fromkeys(name for panel in panels for name in panel.samplers))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_of_row, (mode, row) in zip(grid, rows.items(), strict=True):
        for axes, panel in zip(axes_of_row, row, strict=False):
            _draw_panel(axes, panel, names, words.places)
        for axes in axes_of_row[len(row) :]:
            axes.set_axis_off()
        axes_of_row[0].annotate(
            mode,
            (0, 1),
            (0, 24),
            "axes fraction",
            "offset points",
            size=10,
            weight="bold",
            color=web_colour(INK),
        )
    kinds: list[Level] = [kind for kind in _LEVELS if any(kind in panel.levels for panel in panels)]
    figure.legend(
        handles=_handles(names, kinds, words), loc="outside right upper", frameon=False, fontsize=8.5
    )
    save_figure(path, figure)


def _draw_panel(axes: Axes, panel: Panel, names: Sequence[str], places: str) -> None:
    axes.set_title(panel.label, color=web_colour(INK), fontsize=9.5, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(web_colour(FAINT))
    reference = panel.reference
    if reference is None:
        axes.set(xticks=[], yticks=[])
        axes.text(
            0.5,
            0.5,
            f"not defined: {panel.reason}",
            ha="center",
            va="center",
            wrap=True,
            size=8,
            color=web_colour(FAINT),
        )
        return
    axes.set_xlabel(places, color=web_colour(INK), fontsize=8.5)
    axes.grid(True, color=web_colour(EMPTY), linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=web_colour(INK), labelsize=8.5)
    axes.axhspan(
        reference.value - panel.tolerance,
        reference.value + panel.tolerance,
        color=web_colour(KNOWN),
        alpha=_BAND,
        linewidth=0,
    )
    axes.axhline(reference.value, color=web_colour(FAINT), linewidth=1.0)
    for kind, value in panel.levels.items():
        style, grey = _LEVELS[kind]
        axes.axhline(value, linestyle=style, color=web_colour(grey), linewidth=1.3)
    for number, name in enumerate(names):
        _draw_sampler(axes, panel.samplers.get(name, ()), number, _DODGE ** (2 * number - len(names) + 1))
    axes.plot(reference.place, reference.value, marker="*", markersize=11, color=web_colour(INK))
    axes.set_xscale("log")
    taken = {point.place for points in panel.samplers.values() for point in points}
    axes.set_xticks(_far_apart(sorted({*taken, reference.place})))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_sampler(axes: Axes, points: Sequence[Point], number: int, shift: float) -> None:
    colour, marker = _STYLES[number % len(_STYLES)]
    axes.plot(
        [point.place * shift for point in points],
        [point.value for point in points],
        color=colour,
        linewidth=1.4,
    )
    for point in points:
        axes.errorbar(
            point.place * shift,
            point.value,
            point.error,
            color=colour,
            marker=marker,
            markersize=6,
            markerfacecolor=colour if point.filled else web_colour(PAPER),
            elinewidth=1.0,
            capsize=2.5,
        )


def _far_apart(positions: Sequence[float]) -> list[float]:
    """Positions whose labels do not overlap on a logarithmic axis, from the last one on."""
    chosen = [positions[-1]]
    factor = (positions[-1] / positions[0]) ** 0.12
    for position in reversed(positions[:-1]):
        if position * factor <= chosen[-1]:
            chosen.append(position)
    return chosen


def _handles(names: Sequence[str], kinds: Sequence[Level], words: Words) -> list[Artist]:
    """The entries of the legend."""
    samplers = []
    for number, name in enumerate(names):
        colour, marker = _STYLES[number % len(_STYLES)]
        samplers.append(Line2D([], [], color=colour, marker=marker, markersize=6, label=name))
    ink, faint, paper = map(web_colour, (INK, FAINT, PAPER))
    return [
        *samplers,
        Line2D(
            [],
            [],
            color=faint,
            marker="*",
            markersize=11,
            markerfacecolor=ink,
            markeredgecolor=ink,
            label=words.reference,
        ),
        Patch(color=web_colour(KNOWN), alpha=_BAND, label=words.band),
        *(
            Line2D(
                [],
                [],
                color=web_colour(_LEVELS[kind][1]),
                linestyle=_LEVELS[kind][0],
                label=words.levels[kind],
            )
            for kind in kinds
        ),
        Line2D([], [], color=faint, marker="|", markersize=9, linestyle="", label=words.bars),
        Line2D([], [], color=faint, marker="o", markersize=6, linestyle="", label=words.filled),
        Line2D(
            [],
            [],
            color=faint,
            marker="o",
            markersize=6,
            linestyle="",
            markerfacecolor=paper,
            label=words.empty,
        ),
    ]
