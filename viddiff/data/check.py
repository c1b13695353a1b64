"""Is a dataset whole? All that is wrong with it, by file, before hours are spent on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from viddiff.data.base import find_source
from viddiff.dataset_settings import DatasetSettings


@dataclass(frozen=True)
class DatasetReport:
    """What was found. `problems` are lines that each name a file; `videos` counts the good ones.

    ignored: lines on what lies beside the videos and is not read.
    """

    name: str
    split: str
    videos: int
    problems: tuple[str, ...]
    ignored: tuple[str, ...] = ()


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
    entry, source = find_source(name, split, root, datasets)
    needed = source.length or 1
    if source.path.is_dir():
        (lengths, problems), ignored = entry.reader.examine(source), entry.reader.ignored(source)
    else:
        lengths, problems, ignored = [], [f"{source.path}: no such folder"], []
    short = [(path, frames) for path, frames in lengths if frames < needed]
    problems += [f"{path}: {frames} frames, {needed} are needed" for path, frames in short]
    return DatasetReport(name, split, len(lengths) - len(short), tuple(problems), tuple(ignored))
