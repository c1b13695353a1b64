"""Is a dataset whole? All that is wrong with it, by file, before hours are spent on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from viddiff.data.base import find_source
from viddiff.errors import InputError


@dataclass(frozen=True)
class DatasetReport:
    """What was found. `problems` are lines that each name a file; `videos` counts the good ones."""

    name: str
    split: str
    path: Path
    image_size: int
    videos: int
    min_length: int | None  # frames of the shortest good video
    max_length: int | None
    problems: tuple[str, ...]

    def raise_if_broken(self) -> None:
        """Raise `InputError` with the first problem and the number of others."""
        if self.problems:
            more = f" (and {len(self.problems) - 1} more problems)" if len(self.problems) > 1 else ""
            raise InputError(f"dataset {self.name}, {self.split}: {self.problems[0]}{more}")

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {**asdict(self), "path": str(self.path), "problems": list(self.problems)}


def check_dataset(
    name: str,
    split: str,
    root: str | os.PathLike[str],
    config: Mapping[str, Any] | None = None,
    length: int | None = None,
) -> DatasetReport:
    """Look at every video of a split: headers of arrays, whole files of compressed videos.

    Videos must have `length` frames or more; by default the number that the dataset is known for. The other
    arguments are those of `open_dataset`. Raises `InputError` if there is no such dataset or split, not for
    what is wrong with its files.
    """
    entry, source = find_source(name, split, root, config)
    needed = length or source.length or 1
    if source.path.is_dir():
        lengths, problems = entry.reader.examine(source)
    else:
        lengths, problems = [], [f"{source.path}: no such folder"]
    good = [(path, frames) for path, frames in lengths if frames >= needed]
    problems += [
        f"{path}: {frames} frames, {needed} are needed" for path, frames in lengths if frames < needed
    ]
    return DatasetReport(
        name=name,
        split=split,
        path=source.path,
        image_size=source.image_size,
        videos=len(good),
        min_length=min((frames for _, frames in good), default=None),
        max_length=max((frames for _, frames in good), default=None),
        problems=tuple(problems),
    )
