"""Curves of several evaluations for one picture, from their metrics files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from viddiff.errors import InputError
from viddiff.render.curve import Kind, Line, draw_absence, draw_lines
from viddiff.report.pictures import SPREAD_AND_SKILL
from viddiff.report.records import Record, is_of_sets, matching_baselines, same_protocol
from viddiff.report.summary import Summary
from viddiff.report.text_table import short_unit
from viddiff.tree.paths import RESULTS

_ABBREVIATIONS = ("psnr", "ssim", "lpips", "crps", "fvd", "kvd")
_ALONG_AXIS = {
    "lag": "LPIPS of two frames",
    "fvd_windows": "FVD in windows",
    "ball_count": "number of balls",
}  # what curves show, not the metric
_LOGARITHMIC = ("lag",)  # axes that are
_BASELINES: tuple[Kind, Kind] = ("baseline", "second baseline")


@dataclass(frozen=True)
class CurvePicture:
    """What a picture shows; n_obs: positions that are marked as observed; reason: why there are no lines."""

    lines: Sequence[Line]
    axis: str
    label: str
    n_obs: int
    reason: str = ""

    def draw(self, path: Path | str) -> None:
        """Write it as PNG. Raises `OutputError` if it cannot be written."""
        if not self.lines:
            draw_absence(path, self.label, self.reason)
            return
        draw_lines(path, self.lines, self.axis, self.label, self.n_obs, log=is_logarithmic(self.axis))


def read_curves(paths: Sequence[Path], picture: str, baselines: Sequence[Path] = ()) -> CurvePicture:
    """The curves of metrics files in one picture, see `viddiff.report.pictures`; baselines: records of these.

    Where a mode occurs twice, run and checkpoint are part of its name. Baselines that were not measured alike are left
    out, as are modes of which the metric is not defined.

    Raises `InputError` if a file lacks the metric, or if it was not measured alike in all: the curves of one picture
    must be comparable.
    """
    records = [Record.read(path, RESULTS) for path in paths]
    if picture == SPREAD_AND_SKILL:
        return _spread_and_skill(records)
    measured = same_protocol(records, picture)
    others = _comparable(matching_baselines(baselines, measured)[0], measured[0], picture)
    if is_of_sets(picture):
        return _along_axis(measured, picture, others)
    lines = _over_frames(measured, picture)
    for kind, record in others:
        lines += [
            Line(line.name, line.positions, line.values, kind=kind)
            for line in _over_frames([record], picture)
        ]
    label = label_of(picture, measured[0].metrics[picture])
    return CurvePicture(lines, "frame", label, measured[0].obs_length)


def _comparable(baselines: Sequence[Record], first: Record, metric: str) -> list[tuple[Kind, Record]]:
    """The baselines that have the metric by the protocol of the first record, each with its kind of line."""
    found: list[tuple[Kind, Record]] = []
    for number, record in enumerate(record for record in baselines if metric in record.metrics):
        with suppress(InputError):
            same_protocol([first, record], metric)
            found.append((_BASELINES[number % 2], record))
    return found


def is_logarithmic(axis: str) -> bool:
    """Whether curves are drawn along the logarithm of the positions on an axis."""
    return any(word in _LOGARITHMIC for word in axis.replace(",", " ").split())


def label_of(metric: str, summary: Summary) -> str:
    """What a metric is, for an axis."""
    unit = f" in {summary.unit}" if short_unit(summary.unit) else f", {summary.unit}" if summary.unit else ""
    return f"{metric_name(metric)}{unit}{better_words(summary)}"


def curve_name(metric: str) -> str:
    """What the curve of a metric of sets shows, which need not be the metric itself."""
    return _ALONG_AXIS.get(metric, metric_name(metric))


def metric_name(metric: str) -> str:
    """A metric as it is written in pictures."""
    return metric.upper() if metric in _ABBREVIATIONS else metric


def better_words(summary: Summary) -> str:
    """Which values are better, in brackets, for an axis."""
    better = {
        "higher": " (higher is better)",
        "lower": " (lower is better)",
        "truth": " (best near the truth)",
    }
    return better.get(summary.better, "")


def _names(records: Sequence[Record]) -> list[str]:
    modes = [record.names[2] for record in records]
    return modes if len(set(modes)) == len(modes) else [str(record.path) for record in records]


def _over_frames(records: Sequence[Record], metric: str) -> list[Line]:
    lines = []
    for name, record in zip(_names(records), records, strict=True):
        summary, first = record.metrics[metric], record.obs_length
        frames = [frame for frame in range(first, record.true_length) if frame not in record.goals]
        if len(summary.per_frame) != len(frames):
            found = len(summary.per_frame)
            raise InputError(
                f"{record.path}: {metric} has {found} values of frames, {len(frames)} were generated"
            )
        lines.append(Line(name, frames, summary.per_frame, summary.per_frame_errors))
    return lines


def _along_axis(
    records: Sequence[Record], metric: str, baselines: Sequence[tuple[Kind, Record]]
) -> CurvePicture:
    """The curves of a metric of sets; the truth's is the same for all modes."""
    lines = []
    truth: Line | None = None
    axis = ""
    for name, record in zip(_names(records), records, strict=True):
        curve = record.metrics[metric].curve
        if curve is None:
            continue
        axis = curve.axis
        lines.append(Line(name, curve.positions, curve.values, curve.errors))
        if curve.truth is not None:
            truth = Line("truth", curve.positions[: len(curve.truth)], curve.truth, kind="truth")
    if lines:
        lines += [
            Line(record.names[2], curve.positions, curve.values, kind=kind)
            for kind, record in baselines
            if (curve := record.metrics[metric].curve) and curve.axis == axis
        ]
    summary = records[0].metrics[metric]
    reason = (
        "" if lines else f"not defined: {summary.undefined}" if summary.undefined else "no curve is recorded"
    )
    n_obs = records[0].obs_length if axis == "frame" else 0
    label = f"{curve_name(metric)}{better_words(summary)}"
    return CurvePicture([*lines, *([truth] if truth else [])], axis, label, n_obs, reason)


def _spread_and_skill(records: Sequence[Record]) -> CurvePicture:
    """Spread dashed beside skill: they are equal where samples differ as much from each other as from the truth."""
    skill, spread = (_over_frames(same_protocol(records, name), name) for name in ("skill", "spread"))
    lines = []
    for line, companion in zip(skill, spread, strict=True):
        lines += [
            Line(f"{line.name}: skill", line.positions, line.values, line.errors),
            Line(f"{line.name}: spread", companion.positions, companion.values, kind="companion"),
        ]
    unit = records[0].metrics["skill"].unit
    label = f"skill and spread{f' in {unit}' if unit else ''} (best equal, and low)"
    return CurvePicture(lines, "frame", label, records[0].obs_length)
