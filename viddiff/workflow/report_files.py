"""The report of the grid: which files it consists of, and what they show.

A grid with a name has a folder for them, `results/<name>/`; those of the grid without a name lie in `results/` itself.
Cells that complete the same videos with the same checkpoint are shown side by side: they are a *group*, see
`groups_of`.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from viddiff.errors import InputError, unreadable
from viddiff.report.pictures import curve_pictures
from viddiff.tree.paths import CHECKPOINTS, RESULTS
from viddiff.workflow.targets import Cell

_STYLE = b"assets/page.css"  # that of our pages


def report_folder(name: str | None, runs: Iterable[str]) -> str:
    """The folder of a grid's report.

    runs: those of the configuration. Raises `InputError` if the name is the first folder of a run, whose results are
    there.
    """
    if name is None:
        return RESULTS
    configured = any(run.split("/")[0] == name for run in runs)
    evaluated = any(any(Path(RESULTS, name).glob(f"*/*/{file}.json")) for file in ("plan", "fingerprint"))
    if configured or evaluated or Path(CHECKPOINTS, name).exists():
        raise InputError(f"config key name is {name!r}, but that is a run: give the grid another name")
    return f"{RESULTS}/{name}"


def shown_elsewhere(table: Path, grid: Iterable[Cell]) -> tuple[int, int]:
    """How many evaluations a table shows that a grid has not, and the other way round. No table shows none."""
    wanted = {cell.evaluation.names for cell in grid}
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = [(row["run"], row["checkpoint"], row["mode"]) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, csv.Error):
        return 0, len(wanted)
    shown = {names for names in rows if names[0]}  # baselines are of no run
    return len(shown - wanted), len(wanted - shown)


def groups_of(grid: Iterable[Cell]) -> dict[tuple[str, str, str], list[Cell]]:
    """The cells of each group, by run, checkpoint and videos.

    Where blocks of the grid measure other numbers of videos or frames they are groups of their own,
    `<group>_<videos>-<frames>`: one curve cannot be compared with another then.
    """
    parts: dict[tuple[str, str, str, str], list[Cell]] = {}
    for cell in grid:
        key = *cell.evaluation.names[:2], cell.group, f"_{cell.videos}-{cell.T}"
        parts.setdefault(key, []).append(cell)
    count = Counter(key[:3] for key in parts)
    return {
        (run, checkpoint, group + measured if count[run, checkpoint, group] > 1 else group): cells
        for (run, checkpoint, group, measured), cells in parts.items()
    }


def group_cells(grid: Iterable[Cell], run: str, checkpoint: str, group: str) -> list[Cell]:
    """The cells of a group. Raises `InputError` if there are none."""
    cells = groups_of(grid).get((run, checkpoint, group))
    if not cells:
        raise InputError(f"the configured grid has nothing at {run}/{checkpoint} for videos {group}")
    return cells


def shown_videos(cells: Iterable[Cell], most: int) -> int:
    """How many videos the contact sheet of a group shows."""
    return min(most, *(cell.videos for cell in cells))


def check_animated(cells: Iterable[Cell], video: int) -> None:
    """Raise `InputError` if the grid does not sample a video in all modes of a group."""
    if video >= (count := min(cell.videos for cell in cells)):
        raise InputError(
            f"video {video} is asked for, but the configured grid has {count} in all modes, from 0"
        )


def check_page(index: Path | str) -> None:
    """Raise `InputError` if a file lies where the page is to be, and is none that viddiff made."""
    try:
        with open(index, "rb") as file:
            ours = _STYLE in file.read(4096)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(Path(index), error) from None
    if not ours:
        raise InputError(f"{index} is not a page of viddiff's and is not replaced: move it elsewhere")


def shown_samples(cells: Sequence[Cell], most: int) -> list[Path]:
    """The samples that the contact sheet of a group shows."""
    videos = range(shown_videos(cells, most))
    return [cell.evaluation.sample(video, 0) for cell in cells for video in videos]


def report_files(
    grid: Sequence[Cell], metrics: Sequence[str], folder: str = RESULTS, animated: int = 0
) -> list[str]:
    """The tables of modes and of pairs of them, and for each group a contact sheet, curves of metrics, and MP4s of all
    modes.

    animated: how many videos have these, at most.
    """
    groups = sorted(groups_of(grid).items())
    names = ["contact_sheet", *curve_pictures(metrics)]
    pictures = [picture(name, *group, folder) for name in names for group, _ in groups]
    videos = [
        modes_video(video, *group, folder)
        for group, cells in groups
        for video in range(shown_videos(cells, animated))
    ]
    return [f"{folder}/comparison.csv", f"{folder}/comparison_pairs.csv", *pictures, *videos]


def picture(name: str, run: str, checkpoint: str, group: str, folder: str = RESULTS) -> str:
    """The contact sheet of a group, or one of its pictures of curves."""
    return f"{folder}/{run}/{checkpoint}/{name}_{group}.png"


def modes_video(video: int, run: str, checkpoint: str, group: str, folder: str = RESULTS) -> str:
    """A test video and its first sample in each mode of a group, as an MP4."""
    return f"{folder}/{run}/{checkpoint}/modes_{video:04d}_{group}.mp4"


def report_contents(grid: Iterable[Cell], videos: int) -> dict[str, Any]:
    """What the report shows: directory, videos, samples and frames of each cell, and the videos of a sheet."""
    cells = [[str(cell.evaluation.directory), cell.videos, cell.samples, cell.T] for cell in grid]
    return {"cells": cells, "videos": videos}


def contents_file(grid: Sequence[Cell], videos: int, folder: str = RESULTS) -> str:
    """The file that says what the report shows: its name is another one for another report."""
    text = json.dumps(report_contents(grid, videos))
    return f"{folder}/report_{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def is_contents_file(path: Path) -> bool:
    """Whether a file has a name of `contents_file`: others are somebody's own."""
    return re.fullmatch(r"report_[0-9a-f]{12}\.json", path.name) is not None and path.is_file()
