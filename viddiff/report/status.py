"""The table of `viddiff status`: how far evaluations are, how fast they go on, when they will be done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from viddiff.errors import InputError
from viddiff.inference.user_modes import register_modes
from viddiff.report.progress import Pair, Progress, read_progress
from viddiff.report.rate import HOUR, MINUTE, Activity, activity
from viddiff.report.text_table import align, named_columns
from viddiff.tree.paths import RESULTS, Evaluation
from viddiff.workflow.config import check_config, load_config, load_schema, read_config
from viddiff.workflow.targets import Cell, metrics_cell, pairs, read_grid

CONFIG = Path("config/config.yaml")  # of the project
SCHEMA = (
    Path(__file__).parents[2] / "config" / "schema.yaml"
)  # beside the code, which may serve many projects
_METRICS = "metrics_<videos>-<samples>-<T>.pkl"


@dataclass(frozen=True)
class Line:
    """A line of the table: one evaluation, or several in all.

    wanted, done: samples, the first `None` if it is not known; begun: samples under way; stages_begun: those done of
    them, of `stages_to_do`; share: of all stages, done; rate: samples per hour; seconds_left; activity: `None` before
    the first progress. What the tree does not tell is `None`.
    """

    wanted: int | None
    done: int
    begun: int
    stages_begun: int
    stages_to_do: int
    share: float | None
    rate: float | None
    seconds_left: float | None
    activity: Activity | None


def configured_grid(overlays: Iterable[Path] = ()) -> list[Cell]:
    """The grid of the project in the working directory, whose modes become known.

    overlays: files that are laid over its configuration. Raises `InputError` if there is no project, or if the
    configuration is wrong.
    """
    if not CONFIG.is_file():
        raise InputError(f"no {CONFIG} in {Path.cwd()}: viddiff status runs in the folder of a project")
    raw = load_config([CONFIG, *overlays])
    check_config(raw, load_schema(SCHEMA))
    config = read_config(raw)
    register_modes(config.modes)
    return read_grid(config.grid)


def wanted_samples(paths: Sequence[str], grid: Sequence[Cell]) -> dict[Evaluation, set[Pair] | None]:
    """The samples that count, by evaluation: those of the paths, else of the grid; `None` if their number is unknown.

    paths: evaluation directories, which the grid tells how many samples are wanted of, or metrics files in them, which
    tell it themselves. Raises `InputError` for a path that is neither.
    """
    of_grid: dict[Evaluation, set[Pair] | None] = {
        cell.evaluation: set(pairs(cell.videos, cell.samples)) for cell in grid
    }
    if not paths:
        return of_grid
    wanted: dict[Evaluation, set[Pair] | None] = {}
    for path in map(os.path.relpath, paths):
        cell = metrics_cell(path)
        evaluation = cell.evaluation if cell else _directory(path)
        asked = set(pairs(cell.videos, cell.samples)) if cell else of_grid.get(evaluation)
        if asked is None and not evaluation.directory.is_dir():
            raise InputError(
                f"{path} does not exist and is not in the configured grid; add /{_METRICS} to tell the samples wanted"
            )
        known = [samples for samples in (wanted.get(evaluation), asked) if samples]
        wanted[evaluation] = set(chain(*known)) if known else None
    return wanted


def summarise(parts: Sequence[Progress], now: float) -> Line:
    """One line for one or more evaluations, of which `now` is the time."""
    seen = activity([part.trace for part in parts], now)
    rate = seen.rate if seen else None
    done = sum(part.work_done for part in parts)
    known = [(part.wanted, part.trace.stages) for part in parts if part.wanted is not None]
    wanted = work = stages = None
    if len(known) == len(parts):
        wanted = sum(samples for samples, _ in known)
        work = sum(samples * each for samples, each in known)
        stages = work / wanted
    elif len(parts) == 1:
        stages = parts[0].trace.stages
    return Line(
        wanted=wanted,
        done=sum(len(part.trace.finished) for part in parts),
        begun=sum(len(part.trace.under_way) for part in parts),
        stages_begun=sum(part.stages_begun for part in parts),
        stages_to_do=sum(part.trace.stages * len(part.trace.under_way) for part in parts),
        share=None if work is None else done / work,
        rate=rate * HOUR / stages if rate and stages else None,
        seconds_left=(work - done) / rate if rate and work is not None else None,
        activity=seen,
    )


def status(wanted: Mapping[Evaluation, set[Pair] | None], now: float) -> str:
    """The table as text: a line for each evaluation, one for all of them, and what is to be said about it.

    now: in seconds since 1970. Raises `InputError` if a mode has no plan or a folder cannot be read.
    """
    if not wanted:
        return "The configured grid is empty.\n"
    parts = [read_progress(evaluation, samples) for evaluation, samples in wanted.items()]
    total = summarise(parts, now)
    lines = [summarise([part], now) for part in parts] + ([total] if len(parts) > 1 else [])
    heading, columns = named_columns([part.evaluation.names for part in parts])
    table = align({**columns, **_cells(lines, now)})
    return "\n".join([*heading, *table, *_remarks(parts, total, now)]) + "\n"


def duration(seconds: float) -> str:
    """A time in one or two units: `40 s`, `17 min`, `3 h 20 min`, `2 d 5 h`."""
    if seconds < 1.5 * MINUTE:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 1.5 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 48 * HOUR:
        return "{} h {} min".format(*divmod(round(seconds / MINUTE), 60)).removesuffix(" 0 min")
    return "{} d {} h".format(*divmod(round(seconds / HOUR), 24)).removesuffix(" 0 h")


def _directory(path: str) -> Evaluation:
    try:
        return Evaluation.parse(path)
    except InputError as error:
        form = f"{RESULTS}/<run>/<checkpoint>/<mode>"
        raise InputError(f"{path} is neither {form} nor {_METRICS} in it: {error}") from None


def _cells(lines: Sequence[Line], now: float) -> dict[str, list[str]]:
    return {
        "samples": [f"{line.done}" + ("" if line.wanted is None else f"/{line.wanted}") for line in lines],
        "begun": [f"{line.begun}" if line.begun else "-" for line in lines],
        "their stages": [f"{line.stages_begun}/{line.stages_to_do}" if line.begun else "-" for line in lines],
        "done": ["-" if line.share is None else f"{int(1000 * line.share) / 10:.1f}%" for line in lines],
        "samples/h": [
            "-" if line.rate is None or line.done == line.wanted else _number(line.rate) for line in lines
        ],
        "time left": [_time_left(line) for line in lines],
        "last progress": [
            f"{duration(now - line.activity.last)} ago" if line.activity else "-" for line in lines
        ],
    }


def _time_left(line: Line) -> str:
    if line.done == line.wanted:
        return "none"
    return "-" if line.seconds_left is None else duration(line.seconds_left)


def _number(value: float) -> str:
    """Three digits: 0.0123, 41.2, 1230."""
    return f"{float(f'{value:.3g}'):g}"


def _remarks(parts: Sequence[Progress], total: Line, now: float) -> list[str]:
    unknown = [part.evaluation.directory for part in parts if part.wanted is None]
    remarks = [f"How many samples are wanted is not known of {path}: add /{_METRICS}" for path in unknown]
    if total.done == total.wanted:
        remarks.append("All samples are done.")
    elif total.activity is None:
        remarks.append("Nothing is done yet.")
    elif total.activity.stopped:
        remarks.append(f"No progress for {duration(now - total.activity.last)}: nothing seems to run.")
    return remarks
