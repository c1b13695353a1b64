"""What is known of the configured datasets while the workflow plans: without torch, and without reading videos."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from viddiff.dataset_settings import DatasetSettings, too_short
from viddiff.errors import InputError, unknown
from viddiff.files.npy import open_npy
from viddiff.files.plain_values import shape_of_tensor
from viddiff.registry import declared, declared_facts
from viddiff.tree.datasets import (
    DatasetRecord,
    read_record,
    record_file,
    settings_of,
    state_of,
)
from viddiff.workflow.sections import Configuration

# Those that rules make, as the key `bouncy_balls` of the configuration says.
MADE_DATASETS = ("bouncy_balls", "bouncy_balls_curtain")
_PACKAGE = "viddiff.data"
_NUMBERED = f"{_PACKAGE}.arrays"  # kinds of `<split>/<i>.npy`
_WITH_SPLITS = (_NUMBERED, f"{_PACKAGE}.video_folder")  # kinds whose splits are folders
_FILES = (*_WITH_SPLITS, f"{_PACKAGE}.carla")  # kinds that have a file or folder for each video
_PLAIN_SETTINGS = ("kind", "path", "image_size", "length")  # which do not change what is a frame
_SHOWN = 10


def check_kinds(datasets: Mapping[str, DatasetSettings]) -> None:
    """Raise `InputError` for a dataset of an unknown kind."""
    kinds = declared("dataset", _PACKAGE)
    for name, settings in datasets.items():
        if settings.kind not in kinds:
            raise unknown(f"config key datasets.{name}.kind {settings.kind!r}", settings.kind, kinds)


def listed(what: str, lines: Sequence[str]) -> InputError:
    """One line on many: how many, and the first of them."""
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return InputError(f"{what}: {'; '.join(lines[:_SHOWN])}{more}")


class Datasets:
    """The datasets of a configuration, looked at once in a call."""

    def __init__(self, config: Configuration):
        self.config = config
        self.split = cache(self._split)

    def knows(self, name: str) -> bool:
        """Whether there is a dataset of that name."""
        return name in self.config.datasets or name in declared("dataset", _PACKAGE)

    def kind(self, name: str) -> str:
        """The kind of a dataset. Raises `InputError` if it is unknown."""
        if not self.knows(name):
            raise unknown(f"dataset {name!r}", name, [*declared("dataset", _PACKAGE), *self.config.datasets])
        settings = self.config.datasets.get(name)
        return settings.kind if settings else name

    def fact(self, name: str, key: str) -> Any:
        """`image_size` or `length` of a dataset: its own, or its kind's; `None` if neither has one."""
        settings = self.config.datasets.get(name)
        own = getattr(settings, key) if settings else None
        return own or declared_facts("dataset", _PACKAGE)[self.kind(name)].get(key)

    def folder(self, name: str) -> Path:
        """Where a dataset lies, or should lie."""
        root, settings = Path(self.config.data_root), self.config.datasets.get(name)
        if settings:
            return root / settings.path
        others = declared_facts("dataset", _PACKAGE)[self.kind(name)].get("folders", ())
        places = [root / folder for folder in (name, *others)]
        return next((place for place in places if place.is_dir()), places[0])

    def known_length(self, name: str) -> int | None:
        """Frames of a video, if the configuration tells them."""
        settings = self.config.datasets.get(name)
        if name in MADE_DATASETS:
            return self.config.bouncy_balls.length
        return settings.length if settings else None

    def has(self, name: str, split: str) -> bool:
        """Whether there seems to be such a split: `test/`, `test.pt`, `video_test.csv`."""
        return name in MADE_DATASETS or any(self.folder(name).glob(f"*{split}*"))

    def _split(self, name: str, split: str) -> Split:
        return Split(self, name, split)


class Split:
    """A split of a dataset that is there, or will be made. Raises `InputError` if it cannot be."""

    def __init__(self, datasets: Datasets, name: str, split: str):
        self.name, self.split, self.datasets, self.config = name, split, datasets, datasets.config
        self.settings = self.config.datasets.get(name)
        self.module = declared("dataset", _PACKAGE)[datasets.kind(name)]
        self.made = name in MADE_DATASETS
        folder = datasets.folder(name)
        self.folder = folder / split if self.module in _WITH_SPLITS else folder
        if not self.made and not self.folder.is_dir():
            raise InputError(f"dataset {name}: no folder {self.folder if folder.is_dir() else folder}")

    @cached_property
    def record(self) -> DatasetRecord | None:
        """Of the last check, if nothing has changed since; of data that are made, the configuration tells more."""
        if self.made:
            return None
        settings = settings_of(self.name, self.config.data_root, self.config.datasets)
        record = read_record(record_file(self.name, self.split), settings)
        return record if record.is_current() else None

    @property
    def needs_check(self) -> bool:
        """Whether there may be files that no check has seen."""
        return not self.made and self.record is None

    @property
    def has_files(self) -> bool:
        """Whether each video has a file or folder."""
        return self.module in _FILES

    def check(self, T: int, videos: int | None = None, what: str = "T is {}") -> None:
        """Check as far as it is known that videos are whole and have T frames.

        videos: how many are needed, from the first on; `None`: all that there are, and one at least. what: says what
        needs so many frames. Raises `InputError` with all that is wrong.
        """
        wanted = videos or 1
        length, count = self._told()
        if length is not None and length < T:
            raise InputError(f"{what.format(T)}, but videos of {self.name} have {length} frames")
        if self.record:
            lines, count = self.record.lines(T, videos), len(self.record.videos)
        else:
            lines = self._short_arrays(T, videos)
        if lines:
            again = "; the target check_data looks again" if self.record else ""
            raise InputError(f"{listed(f'{self.split} videos of {self.name}', lines)}{again}")
        if count is not None and count < wanted:
            raise InputError(
                f"video {wanted - 1} is asked for, but {self.name} has {count}, from 0{self._where}"
            )
        if count is None and self.module in _FILES and (most := _entries(self.folder, wanted)) < wanted:
            raise InputError(f"video {wanted - 1} is asked for, but {self.name} has {most} at most, from 0")

    def _told(self) -> tuple[int | None, int | None]:
        """Frames of a video and number of videos, as far as the configuration tells, or the file that was made."""
        if self._there:
            return self._there[1], self._there[0]
        count = self.config.bouncy_balls.videos(self.split) if self.made else None
        return self.datasets.known_length(self.name), count

    @cached_property
    def _there(self) -> tuple[int, ...] | None:
        """The shape of the file of data that are made, if it is there: other numbers may have been configured then."""
        path = self.folder / f"{self.split}.pt"
        try:
            return shape_of_tensor(path, 5) if self.made and path.is_file() else None
        except InputError:
            return None  # which the first job that reads it says

    @property
    def _where(self) -> str:
        """What to do about a file of data that are made."""
        if not self._there:
            return ""
        key = f"bouncy_balls.{self.split}"
        return f", in {self.folder / self.split}.pt; where that is moved away, as many are made as {key} says"

    def _short_arrays(self, T: int, videos: int | None) -> list[str]:
        """What is wrong with array files. A header is read for each size: those of a folder have few."""
        paths = self._arrays()[:videos]
        sizes = {path: state[0] for path in paths if (state := state_of(path))}
        first_of_size = {size: path for path, size in reversed(sizes.items())}
        suspects = {size for size, path in first_of_size.items() if _array_problem(path, T)}
        return [
            line for path, size in sizes.items() if size in suspects and (line := _array_problem(path, T))
        ]

    def _arrays(self) -> list[Path]:
        """The videos in the order of their index, if all are `.npy` files whose first axis counts the frames."""
        own = asdict(self.settings) if self.settings else {}
        plain = all(value is None for key, value in own.items() if key not in _PLAIN_SETTINGS)
        if self.module not in _WITH_SPLITS or not plain:
            return []
        paths = [path for path in self.folder.iterdir() if not path.name.startswith(".")]
        if not all(path.suffix == ".npy" for path in paths):
            return []
        if self.module == _NUMBERED:
            return sorted((path for path in paths if path.stem.isdecimal()), key=lambda path: int(path.stem))
        return sorted(paths)


def _array_problem(path: Path, T: int) -> str | None:
    try:
        shape = open_npy(path).shape
    except InputError as error:
        return str(error)
    return too_short(path, shape[0], T) if shape else f"{path}: holds one number, no video"


def _entries(folder: Path, enough: int) -> int:
    """How many files and folders lie in a folder, and in those in it, visible ones: counted until it is enough."""
    count = 0
    for _, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        count += len(folders) + sum(not name.startswith(".") for name in files)
        if count >= enough:
            break
    return count
