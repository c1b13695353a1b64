"""The comparison of evaluations: a row per metrics file `metrics_*.json`, as a table, CSV and plain text.

Means are comparable only if they were measured alike. What could make a difference is compared between the
files, and every field that is not the same in all of them is spelt out in the column `protocol`: rows with
the same text there are comparable.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from viddiff.diffusion.respacing import diffusion_steps
from viddiff.errors import InputError, reading
from viddiff.files.json_files import number, read_json, short_text, truth, whole_number
from viddiff.files.write import write_text
from viddiff.inference.modes import base_plan
from viddiff.report.text_table import align
from viddiff.tree.paths import RESULTS, Evaluation

_NAMES = ["run", "checkpoint", "mode"]
_COUNTS = ["videos", "samples", "frames", "stages", "evaluations"]
_ERROR = " se videos"
_MISSING = "-"


def comparison_table(
    paths: Sequence[Path], elbos: Sequence[Path] = (), root: str | Path = RESULTS
) -> pd.DataFrame:
    """A row for each metrics file, in the order given; root: the tree of results, with which paths begin.

    elbos: summaries of ELBOs, `elbos_*.json`; an evaluation with one has the bits per dimension as a metric `bpd`.

    Columns: run, checkpoint, mode; for each metric its mean, and `<metric> se videos`, `<metric> se samples`,
    the standard errors over test videos and over sample indices, with the unit in brackets at the end;
    videos, samples (per video), frames (measured in each); stages of the plan and network evaluations per
    video, missing if the name of the mode does not tell; protocol.

    Raises `InputError` naming the file that is unreadable or neither.
    """
    if not paths:
        raise InputError("no metrics files to compare")
    bounds = {path.parent: _read_bound(path) for path in elbos}
    records = [_Record.read(path, root).adding(bounds.get(path.parent, {})) for path in paths]
    table = pd.DataFrame([_row(record) for record in records])
    metrics = [column for column in table if column not in (*_NAMES, *_COUNTS)]
    table = table[[*_NAMES, *metrics, *_COUNTS]].astype(dict.fromkeys(_COUNTS, "Int64"))
    return table.assign(protocol=_protocols(records))


def frame_curves(
    paths: Sequence[Path], metric: str
) -> tuple[dict[str, list[float]], str, int, dict[str, list[float]]]:
    """The mean of a metric at each generated frame, by mode, what it is, the number of frames before them, and the
    standard errors of the means over videos, of modes whose files tell them.

    Where a mode occurs twice, run and checkpoint are part of its name. Raises `InputError` if a file lacks
    the metric, or if it was not measured alike in all: the curves of one picture must be comparable.
    """
    records = [_Record.read(path, RESULTS) for path in paths]
    lacking = [record for record in records if metric not in record.metrics]
    if lacking:
        raise InputError(f"{lacking[0].path}: no metric {metric!r}; found {', '.join(lacking[0].metrics)}")
    relevant = [replace(record, metrics={metric: record.metrics[metric]}) for record in records]
    for record, protocol in zip(records, _protocols(relevant), strict=True):
        if protocol:
            raise InputError(
                f"{record.path}: {protocol}; other files differ, their curves are not comparable"
            )
    modes = [str(record.evaluation.mode) for record in records]
    names = modes if len(set(modes)) == len(modes) else [str(record.path) for record in records]
    curves = {name: record.metrics[metric].per_frame for name, record in zip(names, records, strict=True)}
    errors = {
        name: record.metrics[metric].per_frame_errors for name, record in zip(names, records, strict=True)
    }
    told = {name: error for name, error in errors.items() if error is not None}
    return curves, _label(metric, records[0].metrics[metric]), records[0].obs_length, told


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write the table with all digits, atomically. Raises `OutputError` if it cannot be written."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_comparison(
    metrics: Sequence[Path | str], elbos: Sequence[Path | str], csv: Path | str, text: Path | str
) -> None:
    """Write the table of `comparison_table` as CSV, and as text for a terminal."""
    table = comparison_table([Path(path) for path in metrics], [Path(path) for path in elbos])
    write_csv(csv, table)
    write_text(text, format_table(table))


def format_table(table: pd.DataFrame) -> str:
    """The table of `comparison_table` as text for a terminal: what all rows share first, then the rows.

    Means are given with their standard errors over test videos, to two digits of the smallest of these.
    """
    shared = [
        column
        for column in ("run", "checkpoint", "videos", "samples", "frames")
        if table[column].nunique(dropna=False) == 1
    ]
    columns = {}
    for column in map(str, table):
        if column in shared or " se " in column or (column == "protocol" and not any(table[column])):
            continue
        if column in (*_NAMES, *_COUNTS, "protocol"):
            columns[column] = [_MISSING if pd.isna(value) else str(value) for value in table[column]]
        else:
            columns[column] = _with_errors(table[column], table[_error_column(column)])
    heading = "   ".join(f"{column}: {table[column].iloc[0]}" for column in shared)
    lines = align(columns)
    return "\n".join([heading, "", *lines] if shared else lines) + "\n± standard error over videos\n"


@dataclass(frozen=True)
class _Summary:
    """What a metrics file says of one metric."""

    mean: float
    se_videos: float | None
    se_samples: float | None
    unit: str
    higher_is_better: bool
    per_frame: list[float]
    per_frame_errors: list[float] | None  # older files lack them, as do files of one video
    protocol: Mapping[str, Any]

    @staticmethod
    def of(content: Mapping[str, Any]) -> _Summary:
        errors = content.get("per_frame_standard_error_videos")
        if errors is not None and len(errors) != len(content["per_frame"]):
            raise ValueError("per_frame and its standard errors are of different lengths")
        return _Summary(
            mean=number(content["mean"]),
            se_videos=_number_or_none(content["standard_error_videos"]),
            se_samples=_number_or_none(content["standard_error_samples"]),
            unit=short_text(content["unit"]),
            higher_is_better=truth(content["higher_is_better"]),
            per_frame=list(map(number, content["per_frame"])),
            per_frame_errors=None if errors is None else list(map(number, errors)),
            protocol=dict(content["protocol"]),
        )


@dataclass(frozen=True)
class _Record:
    """What a metrics file says. `protocol`: what holds for all of its metrics."""

    path: Path
    evaluation: Evaluation
    videos: int
    samples: int
    length: int
    obs_length: int
    goals: int
    metrics: Mapping[str, _Summary]
    protocol: Mapping[str, Any]

    @staticmethod
    def read(path: Path, root: str | Path) -> _Record:
        evaluation = Evaluation.parse(path.parent, root)
        with reading(path, "a metrics file"):
            content = read_json(path)
            return _Record(
                path=path,
                evaluation=evaluation,
                videos=whole_number(content["videos"]),
                samples=whole_number(content["samples_per_video"]),
                length=whole_number(content["length"]),
                obs_length=whole_number(content["obs_length"]),
                goals=len(content.get("goals", ())),
                metrics={_metric(name): _Summary.of(summary) for name, summary in content["metrics"].items()},
                protocol={
                    "format": whole_number(content["format"]),
                    "length": content["length"],
                    "obs_length": content["obs_length"],
                    "test_videos": short_text(content["test_videos_sha256"])[:8],
                },
            )

    def adding(self, metrics: Mapping[str, _Summary]) -> _Record:
        """The record with more metrics."""
        return replace(self, metrics={**self.metrics, **metrics})


def _read_bound(path: Path) -> dict[str, _Summary]:
    """The bits per dimension that a summary of ELBOs tells, as a metric."""
    with reading(path, "a summary of ELBOs"):
        content = read_json(path)
        bpd = {"standard_error_samples": None, "unit": "", "per_frame": [], "protocol": content["protocol"]}
        return {"bpd": _Summary.of(content["bpd"] | bpd)}


def _row(record: _Record) -> dict[str, Any]:
    evaluation = record.evaluation
    row: dict[str, Any] = dict(zip(_NAMES, evaluation.names, strict=True))
    for name, summary in record.metrics.items():
        unit = f" [{summary.unit}]" if summary.unit else ""
        row[f"{name}{unit}"] = summary.mean
        row[f"{name} se videos{unit}"] = summary.se_videos
        row[f"{name} se samples{unit}"] = summary.se_samples
    stages = _stages(evaluation)
    steps = _diffusion_steps(record)
    return row | {
        "videos": record.videos,
        "samples": record.samples,
        "frames": record.length - record.obs_length - record.goals,
        "stages": stages,
        "evaluations": None if stages is None or steps is None else stages * steps,
    }


def _stages(evaluation: Evaluation) -> int | None:
    """Stages of the mode's plan; None if its name does not determine them."""
    try:
        return len(base_plan(evaluation.mode).stages)
    except InputError:
        return None


def _diffusion_steps(record: _Record) -> int | None:
    """Network evaluations per stage, from the checkpoint's folder or as trained; None if not on record."""
    spec = record.evaluation.checkpoint.respacing
    try:
        if not spec:
            config = read_json(record.path.parent / "model_config.json")
            spec = config.get("timestep_respacing") or str(config["diffusion_steps"])
        return diffusion_steps(spec)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _number_or_none(value: Any) -> float | None:
    return None if value is None else number(value)


def _metric(name: str) -> str:
    """A metric's name as it heads a column: a spreadsheet must not take it for a formula."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", name):
        raise ValueError(f"{name!r:.60} is no name of a metric")
    return name


def _protocols(records: Sequence[_Record]) -> list[str]:
    """For each record its values of the fields in which the records differ; "" if there are none.

    A metric that only some of the files hold makes no difference.
    """
    described = [_flat(record) for record in records]
    fields = dict.fromkeys(field for fields in described for field in fields)
    differing = [
        field for field in fields if len({fields[field] for fields in described if field in fields}) > 1
    ]
    return [
        ", ".join(f"{field}={fields[field]}" for field in differing if field in fields)
        for fields in described
    ]


def _flat(record: _Record) -> dict[str, str]:
    """Everything that the numbers depend on, by dotted name. Where weights were got from is no part of it."""
    flat = {name: str(value) for name, value in record.protocol.items()}
    for metric, summary in record.metrics.items():
        for name, value in summary.protocol.items():
            if name != "weights_source":
                flat[f"{metric}.{name}"] = json.dumps(value)
    return flat


def _label(metric: str, summary: _Summary) -> str:
    unit = f" in {summary.unit}" if summary.unit else ""
    return f"{metric.upper()}{unit} ({'higher' if summary.higher_is_better else 'lower'} is better)"


def _error_column(column: str) -> str:
    name, bracket, unit = column.partition(" [")
    return f"{name}{_ERROR}{bracket}{unit}"


def _with_errors(means: pd.Series, errors: pd.Series) -> list[str]:
    """`mean ± error` with the same number of decimals in the whole column."""
    smallest = min((error for error in errors if error is not None and error > 0), default=0.01)
    decimals = min(max(1 - math.floor(math.log10(smallest)), 0), 6)
    cells = []
    for mean, error in zip(means, errors, strict=True):
        text = _MISSING if pd.isna(mean) else f"{mean:z.{decimals}f}"
        cells.append(text if pd.isna(error) else f"{text} ± {error:.{decimals}f}")
    return cells
