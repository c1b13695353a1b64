"""The comparison of evaluations: a row per metrics file `metrics_*.json`, as a table, CSV and plain text.

Means are comparable only if they were measured alike. What could make a difference is compared between the
files, and every field that is not the same in all of them is spelt out in the column `protocol`: rows with
the same text there are comparable. Baselines, which no model makes, are the last rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from viddiff.diffusion.respacing import diffusion_steps
from viddiff.errors import InputError
from viddiff.files.json_files import read_json
from viddiff.files.write import write_text
from viddiff.inference.cost import stage_evaluations
from viddiff.inference.modes import base_plan
from viddiff.report.comparison_text import COUNTS, NAMES, format_table
from viddiff.report.records import Record, differences, matching_baselines, mixed_numerics, read_bound
from viddiff.report.summary import AGGREGATES, Estimate, Summary
from viddiff.tree.paths import RESULTS, Evaluation


def comparison_table(
    paths: Sequence[Path],
    elbos: Sequence[Path] = (),
    root: str | Path = RESULTS,
    baselines: Sequence[Path] = (),
) -> pd.DataFrame:
    """A row for each metrics file, in the order given; root: the tree of results, with which paths begin.

    elbos: summaries of ELBOs, `elbos_*.json`; an evaluation with one has the bits per dimension as a metric `bpd`.
    baselines: records of baselines, whose rows come last: they have no run and checkpoint, and are called by what they
    are in the column `mode`. Those of other videos than the evaluations' are left out.

    Columns: run, checkpoint, mode; for each metric its mean, and `<metric> se videos`, `<metric> se samples`,
    the standard errors over test videos and over samples, with the unit in brackets at the end, and where files tell
    them `<metric> best` and `<metric> best on average` of a video's samples, `<metric> truth`, the value of the truth
    itself, and `<metric> floor`, that of other true videos, each with its error; videos, samples (per video), frames
    (measured in each); stages of the plan and network evaluations per video, missing if the name of the mode does not
    tell; protocol; notes, on what to beware of, if there are any.

    Raises `InputError` naming the file that is unreadable or neither.
    """
    if not paths:
        raise InputError("no metrics files to compare")
    bounds = {path.parent: read_bound(path) for path in elbos}
    records = [Record.read(path, root).adding(bounds.get(path.parent, {})) for path in paths]
    others, reasons = matching_baselines(baselines, records)
    shown = {metric for record in records for metric in record.metrics}
    records += [baseline.with_metrics(shown) for baseline in others]
    table = pd.DataFrame([_row(record) for record in records])
    metrics = [column for column in table if column not in (*NAMES, *COUNTS)]
    table = table[[*NAMES, *metrics, *COUNTS]].astype(dict.fromkeys(COUNTS, "Int64"))
    table = table.assign(protocol=differences(records))
    notes = [_notes(record) for record in records]
    notes[0] = [*notes[0], *reasons, *mixed_numerics(records)]
    return table.assign(notes=list(map(" | ".join, notes))) if any(notes) else table


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write the table with all digits, atomically. Raises `OutputError` if it cannot be written."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_comparison(
    metrics: Sequence[Path | str],
    elbos: Sequence[Path | str],
    csv: Path | str,
    text: Path | str,
    baselines: Sequence[Path | str] = (),
) -> None:
    """Write the table of `comparison_table` as CSV, and as text for a terminal."""
    files, bounds, others = ([Path(path) for path in paths] for paths in (metrics, elbos, baselines))
    table = comparison_table(files, bounds, baselines=others)
    write_csv(csv, table)
    write_text(text, format_table(table))


def _row(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(NAMES, record.names, strict=True))
    for name, summary in record.metrics.items():
        row |= _columns(name, summary)
    stages = None if record.evaluation is None else stages_of(record.evaluation)
    each = None if record.evaluation is None else evaluations_of(record.evaluation, record.path.parent)
    return row | {
        "videos": record.videos,
        "samples": record.samples,
        "frames": record.true_length - record.obs_length - len(record.goals),
        "stages": stages,
        "evaluations": None if each is None else sum(each),
    }


def _columns(name: str, summary: Summary) -> dict[str, float | None]:
    """What a row says of a metric."""
    columns = {
        "": summary.mean,
        " se videos": summary.se_videos,
        " se samples": summary.se_samples,
    }
    more: dict[str, Estimate | None] = {
        title: summary.aggregates.get(key) for key, title in AGGREGATES.items()
    }
    for title, estimate in (more | {"truth": summary.truth, "floor": summary.floor}).items():
        if estimate is not None:
            columns |= {f" {title}": estimate.mean, f" {title} se videos": estimate.error}
    unit = f" [{summary.unit}]" if summary.unit else ""
    return {f"{name}{column}{unit}": value for column, value in columns.items()}


def _notes(record: Record) -> list[str]:
    """What to beware of, of an evaluation: what a baseline lacks is told by its row."""
    if record.evaluation is None:
        return []
    notes = (summary.notes(name, record.names[2]) for name, summary in record.metrics.items())
    return list(dict.fromkeys([*_second_checkpoint(record.evaluation), *chain.from_iterable(notes)]))


def _second_checkpoint(evaluation: Evaluation) -> list[str]:
    """A note if the mode has one."""
    try:
        second = evaluation.mode.recipe.second
    except InputError:  # a name that means nothing here
        return []
    return [f"{evaluation.mode}: phases from {second.from_phase} on by {second}"] if second else []


def stages_of(evaluation: Evaluation) -> int | None:
    """Stages of the mode's plan; None if its name does not determine them."""
    try:
        return len(base_plan(evaluation.mode).stages)
    except InputError:
        return None


def evaluations_of(evaluation: Evaluation, folder: Path) -> tuple[int, ...] | None:
    """Network evaluations of each stage, by the checkpoint's folder or as trained; None if not on record."""
    name, mode = evaluation.checkpoint, evaluation.mode
    spec = name.respacing
    try:
        if not spec:
            config = read_json(folder / "model_config.json")
            spec = config.get("timestep_respacing") or str(config["diffusion_steps"])
        return stage_evaluations(base_plan(mode), diffusion_steps(spec), name.sampler, mode.recipe.treatment)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
