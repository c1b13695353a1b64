"""Curves of a group as figures of plotly: data that its script in the page's folder draws.

Nothing is loaded from elsewhere. Plotly takes texts for a kind of HTML, so names are escaped.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from viddiff.report.curves import curve_name, is_logarithmic, metric_name
from viddiff.report.page.content import Name, Row
from viddiff.report.records import Record
from viddiff.report.summary import Curve

_LIGHT = {"ink": "#1c1e21", "grid": "#e3e5e8", "paper": "#ffffff"}
_DARK = {"ink": "#e6e8eb", "grid": "#34383e", "paper": "#1b1e22"}
_TRUTH = "#8a8fa0"
_HEIGHT = 330  # pixels of a figure without its legend
_LINE = 22  # of a line of the legend
_NAMES = 2  # on a line of the legend, about
_SHADE = 0.16  # opacity of a band, unless many lie over each other


def curve_figures(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """The curves of a group's rows by metric, with a line and a band of one standard error for each row.

    Each is plotly's `data` and its `layout` for a `light` and for a `dark` page. Rows whose curve is along another axis
    than the first one's are left out.
    """
    metrics = dict.fromkeys(name for row in rows for name in row.record.metrics)
    shorten = len({row.name.lines[1] for row in rows if not row.name.is_baseline}) == 1
    figures = {}
    for metric in metrics:
        found = [(row, curve) for row in rows if (curve := curve_of(row.record, metric))]
        alike = [(row, curve) for row, curve in found if curve.axis == found[0][1].axis]
        if alike:
            named = [(row.name, _label(row.name, shorten), curve) for row, curve in alike]
            unit = alike[0][0].record.metrics[metric].unit
            shown = curve_name(metric)
            if unit and shown == metric_name(metric):
                shown = f"{shown} [{unit}]"
            figures[metric] = _figure(shown, named, rows[0].record.obs_length)
    return figures


def curve_of(record: Record, metric: str) -> Curve | None:
    """The curve that a metric has; of a metric of frames, that over the generated frames."""
    summary = record.metrics.get(metric)
    if summary is None or summary.curve is not None:
        return summary.curve if summary else None
    frames = [frame for frame in range(record.obs_length, record.true_length) if frame not in record.goals]
    if not frames or len(frames) != len(summary.per_frame):
        return None
    return Curve("frame", tuple(map(float, frames)), summary.per_frame, summary.per_frame_errors, None)


def script_of(figures: Mapping[str, Any]) -> str:
    """A script that gives the page its figures. It is ASCII without `<`: no text in it ends a script or a line."""
    text = json.dumps(figures, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"window.viddiffFigures = {text};\n"


def _figure(label: str, curves: Sequence[tuple[Name, str, Curve]], n_obs: int) -> dict[str, Any]:
    figure = go.Figure()
    for name, text, curve in curves:
        _add_curve(figure, name, text, curve, min(_SHADE, 1 / len(curves)))
    first = curves[0][2]
    if first.truth is not None:
        line = {"color": _TRUTH, "width": 3}
        figure.add_scatter(
            x=first.positions[: len(first.truth)],
            y=_rounded(first.truth),
            name="truth",
            mode="lines",
            line=line,
            hovertemplate="%{y:.4g}",
        )
    axis = {"zeroline": False, "automargin": True}
    figure.update_layout(
        template=None,
        height=_HEIGHT + _LINE * -(-len(curves) // _NAMES),
        margin={"l": 60, "r": 10, "t": 10, "b": 45},
        hovermode="x",
        xaxis=axis | {"title": {"text": html.escape(first.axis), "standoff": 5}},
        yaxis=axis | {"title": {"text": html.escape(label)}},
        legend={"groupclick": "togglegroup", "orientation": "h", "yanchor": "top", "y": -0.2, "x": 0},
        font={"family": "system-ui, sans-serif", "size": 13},
    )
    if first.axis == "frame" and n_obs:
        figure.add_vrect(x0=0, x1=n_obs - 0.5, fillcolor="#e69f00", opacity=0.12, line_width=0)
        figure.add_annotation(
            x=0, y=1, yref="paper", text="observed", showarrow=False, xanchor="left", yanchor="top"
        )
        figure.update_xaxes(range=[0, max(first.positions) + 0.5])
    if is_logarithmic(first.axis):
        figure.update_xaxes(type="log", tickvals=first.positions)
    light, dark = (_themed(figure, colours) for colours in (_LIGHT, _DARK))
    return {"data": light["data"], "light": light["layout"], "dark": dark["layout"]}


def _add_curve(figure: go.Figure, name: Name, text: str, curve: Curve, opacity: float) -> None:
    label = html.escape(text)
    if curve.errors is not None:
        high = [value + error for value, error in zip(curve.values, curve.errors, strict=True)]
        low = [value - error for value, error in zip(curve.values, curve.errors, strict=True)]
        figure.add_scatter(
            x=[*curve.positions, *curve.positions[::-1]],
            y=_rounded([*high, *low[::-1]]),
            fill="toself",
            mode="none",
            fillcolor=_shade(name.colour, opacity),
            hoverinfo="skip",
            legendgroup=label,
            showlegend=False,
        )
    figure.add_scatter(
        x=curve.positions,
        y=_rounded(curve.values),
        name=label,
        legendgroup=label,
        mode="lines" if len(curve.positions) > 1 else "markers",
        line={"color": name.colour, "width": 1.8, "dash": name.dash},
        hovertemplate="%{y:.4g}",
    )


def _themed(figure: go.Figure, colours: Mapping[str, str]) -> dict[str, Any]:
    """The figure in the colours of a page."""
    axis = {"gridcolor": colours["grid"], "linecolor": colours["grid"]}
    themed = go.Figure(figure).update_layout(
        paper_bgcolor=colours["paper"],
        plot_bgcolor=colours["paper"],
        font_color=colours["ink"],
        hoverlabel={"bgcolor": colours["paper"], "font": {"color": colours["ink"]}},
    )
    themed.update_xaxes(axis).update_yaxes(axis)
    return dict(json.loads(themed.to_json()))


def _label(name: Name, shorten: bool) -> str:
    """A mode's name in a legend, without its numbers if all have the same."""
    return name.lines[0] if shorten else name.mode


def _rounded(values: Sequence[float]) -> list[float | None]:
    """To six digits; nothing where there is no number."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]


def _shade(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:.3g})"
