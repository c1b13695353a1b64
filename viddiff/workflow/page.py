"""What the page of a configured grid shows: the evaluations of its groups and their files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from viddiff.jobs.page import GroupFiles
from viddiff.report.page.build import Shown
from viddiff.workflow.baselines import baselines_of
from viddiff.workflow.report_files import groups_of, shown_videos
from viddiff.workflow.sections import Configuration
from viddiff.workflow.targets import Cell, read_grid


def page_title(config: Configuration) -> str:
    """The name of the grid; how many evaluations it has if it has no name."""
    count = len(read_grid(config.grid))
    return config.name or f"Comparison of {count} evaluation{'s' * (count != 1)}"


def page_groups(config: Configuration, baselines: Iterable[str | Path]) -> list[GroupFiles]:
    """The groups of the grid. baselines: their records, of all groups; each has those of the videos it completes."""
    records = set(map(str, baselines))
    return [
        GroupFiles(
            f"{run}, {checkpoint}, videos {group}",
            [_shown(config, cell) for cell in cells],
            [Path(file) for file in _baselines_of_all(config, cells) if file in records],
            shown_videos(cells, config.report.videos),
        )
        for (run, checkpoint, group), cells in groups_of(read_grid(config.grid)).items()
    ]


def _baselines_of_all(config: Configuration, cells: Iterable[Cell]) -> list[str]:
    return list(dict.fromkeys(file for cell in cells for file in baselines_of(config, cell)))


def _shown(config: Configuration, cell: Cell) -> Shown:
    bound = cell.evaluation.elbo_summary(cell.videos) if config.metrics.elbos and cell.has_elbo else None
    return Shown(cell.evaluation, Path(cell.metrics("json")), bound)
