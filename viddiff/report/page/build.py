"""A page and its figures from the files that lie in the tree, but for its videos and pictures: a job copies these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viddiff.report.cost_card import CostCard
from viddiff.report.page.comparison import compare
from viddiff.report.page.content import (
    FigurePlace,
    Group,
    Name,
    Page,
    Picture,
    Plan,
    Row,
    TestVideo,
    Training,
)
from viddiff.report.page.figures import curve_figures
from viddiff.report.page.pairs import findings, read_pairs
from viddiff.report.page.records import cost_table, own_timings, protocol_cards, provenance_card
from viddiff.report.records import Record, differences, matching_baselines, mixed_numerics, read_bound
from viddiff.tree.paths import Evaluation


@dataclass(frozen=True)
class Shown:
    """An evaluation that the page shows, its metrics file, and the summary of its ELBOs if it has one."""

    evaluation: Evaluation
    metrics: Path
    elbo: Path | None = None

    def record(self) -> Record:
        """All that was measured. Raises `InputError` naming the file that cannot be read."""
        record = Record.read(self.metrics, self.evaluation.root)
        return record if self.elbo is None else record.adding(read_bound(self.elbo))


@dataclass(frozen=True)
class Videos:
    """The videos of a group in the page's folder. fps: frames per second; width, height: of a page, in pixels."""

    videos: Sequence[TestVideo]
    fps: float
    width: int
    height: int


@dataclass(frozen=True)
class ShownGroup:
    """Evaluations that complete the same videos with the same checkpoint, and the records of baselines."""

    title: str
    shown: Sequence[Shown]
    baselines: Sequence[Path]
    videos: Videos


def names_of(groups: Sequence[Sequence[Evaluation]]) -> list[list[Name]]:
    """Names with numbers that count within each group, so that a mode has a colour of its own there."""
    return [
        [Name(*evaluation.names, number) for number, evaluation in enumerate(evaluations)]
        for evaluations in groups
    ]


def build_page(
    title: str,
    groups: Sequence[ShownGroup],
    pictures: Mapping[Evaluation, Picture],
    trainings: Sequence[Training],
    pairs: Path,
) -> tuple[Page, dict[str, Any]]:
    """The page, and its figures by identifier.

    pictures: of the plans; trainings: of the runs that are shown; pairs: the table of tests of pairs. Raises
    `InputError` naming the file that cannot be read.
    """
    names = names_of([[one.evaluation for one in group.shown] for group in groups])
    records = [[one.record() for one in group.shown] for group in groups]
    protocols = iter(differences([record for own in records for record in own]))
    rows: list[Row] = []
    shown, figures, remarks = [], {}, dict[str, None]()
    for number, (group, own_names, own_records) in enumerate(zip(groups, names, records, strict=True)):
        own = [
            Row(name, record, next(protocols)) for name, record in zip(own_names, own_records, strict=True)
        ]
        baselines, reasons = matching_baselines(group.baselines, own_records)
        own += [
            Row(Name("", "", record.names[2], -place), record, "")
            for place, record in enumerate(baselines, 1)
        ]
        remarks.update(dict.fromkeys(reasons))
        drawn = curve_figures(own)
        places = [
            FigurePlace(f"g{number}f{place}", metric, figure["light"]["height"])
            for place, (metric, figure) in enumerate(drawn.items())
        ]
        figures.update({place.identifier: drawn[place.title] for place in places})
        rows += own
        videos = group.videos
        shown.append(Group(group.title, places, videos.fps, videos.width, videos.height, videos.videos))
    remarks.update(dict.fromkeys(mixed_numerics([row.record for row in rows])))
    evaluations = {
        name: one.evaluation
        for group, own_names in zip(groups, names, strict=True)
        for name, one in zip(own_names, group.shown, strict=True)
    }
    cards = {name: CostCard.read(one.directory / "plan_cost.json") for name, one in evaluations.items()}
    tested = read_pairs(pairs)
    page = Page(
        title=title,
        comparison=compare(rows, list(remarks)),
        findings=findings(tested),
        pairs=tested,
        groups=shown,
        plans=[Plan(name, pictures[one], cards[name].brief()) for name, one in evaluations.items()],
        protocols=protocol_cards(rows),
        costs=cost_table({name: (cards[name], own_timings(one)) for name, one in evaluations.items()}),
        trainings=trainings,
        provenance=[provenance_card(name, one.directory) for name, one in evaluations.items()],
    )
    return page, figures
