"""What a page shows, ready for its template: texts, numbers, and names of files in its folder.

The template decides how it looks, and escapes all texts: they come from files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from viddiff.report.records import Record

COLOURS = ("#3b82c4", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#9a6b4f", "#8a8fa0")
"""Of lines and marks, to be told apart by the colour-blind (after Okabe and Ito), on white and on black."""
DASHES = ("solid", "dash", "dot", "dashdot")
BASELINE_COLOUR = "#8a8fa0"


@dataclass(frozen=True)
class Name:
    """What a row is of. A mode's four numbers are apart; number: its place among those shown; of baselines -1, -2."""

    run: str
    checkpoint: str
    mode: str
    number: int

    @property
    def is_baseline(self) -> bool:
        """Whether it is no mode but what every mode must beat."""
        return self.number < 0

    @property
    def lines(self) -> tuple[str, str]:
        """The strategy and its numbers."""
        fields = self.mode.rsplit("_", 4)
        if self.is_baseline or len(fields) < 5:
            return self.mode, ""
        return "_".join(fields[:-4]), "_".join(fields[-4:])

    @property
    def colour(self) -> str:
        """Of its lines, `#rrggbb`."""
        return BASELINE_COLOUR if self.is_baseline else COLOURS[self.number % len(COLOURS)]

    @property
    def dash(self) -> str:
        """Of its lines, by the plotting library's name."""
        place = 1 - self.number if self.is_baseline else self.number // len(COLOURS)
        return DASHES[place % len(DASHES)]


@dataclass(frozen=True)
class Row:
    """An evaluation or a baseline with what was measured; protocol: what was measured otherwise than in other rows."""

    name: Name
    record: Record
    protocol: str

    @property
    def told(self) -> dict[str, str]:
        """Of what the numbers are."""
        return {
            "run": self.name.run,
            "checkpoint": self.name.checkpoint,
            "videos": str(self.record.videos),
            "samples of each": str(self.record.samples),
            "frames": str(self.record.length),
            "of them observed": str(self.record.obs_length),
        }


@dataclass(frozen=True)
class Span:
    """An interval as it is drawn: its ends, the number in it and what it is held against, in percent of the width.

    text: the interval in words.
    """

    low: float
    high: float
    at: float
    aim: float | None
    text: str


@dataclass(frozen=True)
class Cell:
    """A number of the comparison; below: what is told under it; notes: the numbers of its warnings."""

    text: str
    sort: float | str
    best: bool
    span: Span | None
    below: Sequence[str]
    notes: Sequence[int]


@dataclass(frozen=True)
class Column:
    """A metric of the comparison, with a cell for each row; `None` where it was not measured.

    better: which values are, "higher", "lower" or "truth" for those near the truth's; "" if none are.
    meaning: what it is, in a sentence or two; "" if nothing is known of it.
    """

    name: str
    unit: str
    better: str
    meaning: str
    cells: Sequence[Cell | None]


@dataclass(frozen=True)
class Comparison:
    """The table of all rows. notes: the warnings at its numbers, counted from 1, then others."""

    rows: Sequence[Row]
    columns: Sequence[Column]
    notes: Sequence[str]

    @property
    def lines(self) -> list[tuple[Row, list[Cell | None]]]:
        """Each row with its cells."""
        return [
            (row, [column.cells[place] for column in self.columns]) for place, row in enumerate(self.rows)
        ]

    @property
    def shared(self) -> dict[str, str]:
        """What all rows tell alike; baselines have neither a run nor a checkpoint."""
        names = [name for name in self.rows[0].told if name not in self.telling]
        return {name: self.rows[0].told[name] for name in names}

    @property
    def telling(self) -> list[str]:
        """What rows tell that is not the same in all of them."""
        rows = [row.told for row in self.rows if not row.name.is_baseline]
        return [name for name in rows[0] if len({row[name] for row in rows}) > 1]


@dataclass(frozen=True)
class Pair:
    """A metric of two evaluations: `a` less `b`, the p-value, and Holm's; `None` where there is none."""

    metric: str
    a: str
    b: str
    difference: float | None
    span: Span | None
    p: float | None
    p_holm: float | None
    verdict: str


@dataclass(frozen=True)
class Clip:
    """One video of a mode, or the truth: files in the page's folder. observed: spans of frames, the last included."""

    name: Name | None
    video: str
    thumbnail: str
    observed: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class TestVideo:
    """The clips of one test video, the truth first, all of `length` frames. shown: the frame of the thumbnails."""

    number: int
    clips: Sequence[Clip]
    length: int
    shown: int


@dataclass(frozen=True)
class FigurePlace:
    """Where a figure of curves is drawn: its identifier, what it shows, and its height in pixels."""

    identifier: str
    title: str
    height: int


@dataclass(frozen=True)
class Group:
    """Evaluations that complete the same videos with the same checkpoint."""

    title: str
    figures: Sequence[FigurePlace]
    fps: float
    width: int
    height: int
    videos: Sequence[TestVideo]


@dataclass(frozen=True)
class Picture:
    """A picture in the page's folder, with its size in pixels and what it shows in words."""

    file: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class Plan:
    """The plan of an evaluation: its picture and its cost in words."""

    name: Name
    picture: Picture
    cost: str


@dataclass(frozen=True)
class Training:
    """The curves of a training run."""

    run: str
    picture: Picture


@dataclass(frozen=True)
class Facts:
    """A card of facts: protocol of a metric, provenance of an evaluation. modes: for which it holds, all if empty."""

    title: str
    modes: Sequence[str]
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A plain table: headings; rows of texts, each with what it is sorted by."""

    headings: Sequence[str]
    rows: Sequence[tuple[Name, Sequence[tuple[str, float | str]]]]


@dataclass(frozen=True)
class Page:
    """All that the page shows. findings: what the tests of pairs tell, in sentences."""

    title: str
    comparison: Comparison
    findings: Sequence[str]
    pairs: Sequence[Pair]
    groups: Sequence[Group]
    plans: Sequence[Plan]
    protocols: Sequence[Facts]
    costs: Table
    trainings: Sequence[Training]
    provenance: Sequence[Facts]

    def files(self) -> set[PurePosixPath]:
        """The files in the page's folder that its text names."""
        clips = [clip for group in self.groups for video in group.videos for clip in video.clips]
        names = [name for clip in clips for name in (clip.video, clip.thumbnail)]
        pictures = [plan.picture.file for plan in self.plans]
        pictures += [training.picture.file for training in self.trainings]
        return set(map(PurePosixPath, [*names, *pictures]))
