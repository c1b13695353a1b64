"""Is a dataset whole? All that is wrong with it, by file, before hours are spent on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from viddiff.data.base import Counted, Entry, Source, ask, find_source
from viddiff.dataset_settings import DatasetSettings, too_short


@dataclass(frozen=True)
class DatasetReport:
    """What was found.

    `problems` are lines that each name a file; `videos` counts the good ones; `ignored` are lines on what is beside.
    """

    name: str
    split: str
    videos: int
    problems: tuple[str, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Examined:
    """lengths: (file, frames) of the readable videos; problems, ignored: lines, see `DatasetReport`."""

    source: Source
    lengths: tuple[tuple[Path, int], ...]
    problems: tuple[str, ...]
    ignored: tuple[str, ...] = ()

    def report(self, needed: int | None = None) -> DatasetReport:
        """The verdict. needed: the frames that each video must have; `None`: those that the dataset is known for."""
        least = needed or self.source.length or 1
        short = [line for path, frames in self.lengths if (line := too_short(path, frames, least))]
        good = len(self.lengths) - len(short)
        return DatasetReport(
            self.source.name, self.source.split, good, (*self.problems, *short), self.ignored
        )


def examine(entry: Entry, source: Source, counted: Counted = ask) -> Examined:
    """Look at every video of a split: headers of arrays, whole files of compressed videos.

    counted: see `VideoDataset.examine`.
    """
    if not source.path.is_dir():
        return Examined(source, (), (f"{source.path}: no such folder",))
    lengths, problems = entry.reader.examine(source, counted)
    return Examined(source, tuple(lengths), tuple(problems), tuple(entry.reader.ignored(source)))


def check_dataset(
    name: str,
    split: str,
    root: str | os.PathLike[str],
    datasets: Mapping[str, DatasetSettings] = MappingProxyType({}),
) -> DatasetReport:
    """Look at every video of a split: headers of arrays, whole files of compressed videos.

    Videos must have as many frames as the dataset is known for, or more. The arguments are those of `open_dataset`.
    Raises `InputError` if there is no such dataset or split, not for what is wrong with its files.
    """
    return examine(*find_source(name, split, root, datasets)).report()
