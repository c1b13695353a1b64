"""What every dataset of videos can do, those that are known, and seeded crops for training.

A dataset is a list of videos, uint8 `[T, C, H, W]` with three channels (grey is repeated) and frames of one size.
Tests read from frame 0; training reads random crops.
"""

from __future__ import annotations

import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from viddiff.data.cache import cached
from viddiff.data.limits import CHANNELS
from viddiff.dataset_settings import AS_STORED, DatasetSettings, Intake, height_width, plain_size
from viddiff.errors import InputError, unknown
from viddiff.registry import Registry
from viddiff.video import Video

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Source:
    """Where the videos of one split lie and what is expected of them."""

    name: str
    split: str
    path: Path  # the dataset's folder
    image_size: int | Sequence[int]  # of the frames: height and width, or one number if they are equal
    length: int | None  # frames per video; None if videos differ
    cache: Path | None = None  # local folder that files are copied to as they are first read
    intake: Intake = AS_STORED

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        return height_width(self.image_size)


def by_number(name: str) -> tuple[list[int | str], str]:
    """Orders names as people do, the numbers in them by their value: `video_9` comes before `video_10`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)], name


# From a file, and what counts its frames or raises `InputError`: the same, perhaps known from an earlier time.
Counted = Callable[[Path, Callable[[], int]], int]


def ask(path: Path, count: Callable[[], int]) -> int:
    """The frames of a file, counted."""
    return count()


class VideoDataset(ABC):
    """Videos of one split. `video`, `length` and `random_crop` take the index of a video, from 0."""

    channels = CHANNELS
    options: frozenset[str] = frozenset()  # the settings of `Intake` that it heeds

    def __init__(self, source: Source):
        self.source = source
        self.name = source.name
        self.split = source.split
        self.image_size = plain_size(source.frame_size)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        return height_width(self.image_size)

    @classmethod
    @abstractmethod
    def examine(cls, source: Source, counted: Counted = ask) -> tuple[list[tuple[Path, int]], list[str]]:
        """The readable videos as (file, frames), and one line for each thing that is wrong.

        counted: asked for the frames of each file that holds one video.
        """

    @classmethod
    def ignored(cls, source: Source) -> list[str]:
        """One line for each thing beside the videos that is not read."""
        return []

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def file(self, index: int) -> Path:
        """The file that holds a video, for messages."""

    @abstractmethod
    def length(self, index: int) -> int:
        """Frames of a video."""

    @abstractmethod
    def frames(self, index: int, start: int, stop: int) -> Video:
        """Frames `start` to `stop - 1` of a video; the range lies inside the video."""

    def gather(self, index: int, numbers: Int64[np.ndarray, " n"]) -> Video:
        """Frames of a video by their numbers, which rise and lie inside the video."""
        first = int(numbers[0])
        return self.frames(index, first, int(numbers[-1]) + 1)[numbers - first]

    def files_of(self, index: int) -> list[Path]:
        """The files that are read for a video."""
        return [self.file(index)]

    def stamp(self, index: int) -> str:
        """A text that changes if a video is another one than before: its files' names, sizes and times of change."""
        stats = [
            (part.relative_to(self.source.path).as_posix(), part.stat()) for part in self.files_of(index)
        ]
        return repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])

    def identity(self) -> str:
        """Eight hexadecimal digits for each video, from its stamp; at the cost of a look at each file's attributes."""
        try:
            stamps = [self.stamp(index) for index in range(len(self))]
        except OSError as error:
            raise InputError(f"{error.filename}: {error.strerror}") from error
        return "".join(hashlib.sha256(stamp.encode()).hexdigest()[:8] for stamp in stamps)

    def video(self, index: int, length: int | None = None) -> Video:
        """The first `length` frames of a video, or all. Raises `InputError` if the video is shorter."""
        self._check(index, length)
        return self.frames(index, 0, self.length(index) if length is None else length)

    def blocks(self, index: int, length: int, size: int) -> Iterator[Video]:
        """The first `length` frames of a video, at most `size` of them at once. Raises `InputError` as `video` does."""
        self._check(index, length)
        for start in range(0, length, size):
            yield self.frames(index, start, min(start + size, length))

    def random_crop(self, index: int, length: int, generator: np.random.Generator) -> Video:
        """`length` consecutive frames of a video from a uniformly drawn start."""
        start = self.random_start(index, length, generator)
        return self.frames(index, start, start + length)

    def random_start(self, index: int, length: int, generator: np.random.Generator) -> int:
        """The first frame of such a crop. Raises `InputError` if the video is shorter."""
        self._check(index, length)
        return int(generator.integers(self.length(index) - length + 1))

    def local(self, path: Path) -> Path:
        """The file to read for `path`: its copy in the cache, if there is one."""
        return cached(path, self.source.path, self.source.cache) if self.source.cache else path

    def _check(self, index: int, length: int | None) -> None:
        if not 0 <= index < len(self):
            raise InputError(f"{self.name}: no {self.split} video {index}; there are {len(self)}")
        if length is not None and not 1 <= length <= self.length(index):
            raise InputError(
                f"{self.file(index)}: video {index} has {self.length(index)} frames, {length} are needed"
            )


class TrainingCrops(torch.utils.data.Dataset):
    """`count` random crops of `length` frames for training; item i is a draw, not a video.

    Which video and where it starts depend on `(seed, i)` alone: any number of workers draws the same crops,
    no two workers draw alike, and a resumed run goes on from its own i.
    """

    def __init__(self, dataset: VideoDataset, length: int, seed: int, count: int = 2**62):
        self.dataset = dataset
        self.crop_length = length
        self.seed = seed
        self.count = count
        if len(dataset) == 0:
            raise InputError(f"{dataset.name}: no {dataset.split} videos in {dataset.source.path}")

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, draw: int) -> UInt8[Tensor, "T C H W"]:
        index, start = self.place(draw)
        return torch.from_numpy(self.dataset.frames(index, start, start + self.crop_length))

    def place(self, draw: int, video: int | None = None) -> tuple[int, int]:
        """The video of a crop, and the frame of it that the crop begins with. video: if it is not drawn."""
        generator = np.random.default_rng([self.seed, draw])
        index = int(generator.integers(len(self.dataset))) if video is None else video
        return index, self.dataset.random_start(index, self.crop_length, generator)

    def gather(
        self, draw: int, numbers: Int64[np.ndarray, " n"], video: int | None = None
    ) -> UInt8[np.ndarray, "n C H W"]:
        """Frames of a crop by their numbers, in any order: they alone are read. video: if it is not drawn."""
        index, start = self.place(draw, video)
        rising, places = np.unique(numbers, return_inverse=True)
        return self.dataset.gather(index, start + rising)[places]


@dataclass(frozen=True)
class Entry:
    """A known dataset: its reader, its usual shape, and in which folders but that of its name it may lie."""

    reader: type[VideoDataset]
    image_size: int | Sequence[int]
    length: int | None = None
    folders: tuple[str, ...] = ()


dataset = Registry("dataset", "viddiff.data", Entry)


def find_source(
    name: str,
    split: str,
    root: str | os.PathLike[str],
    datasets: Mapping[str, DatasetSettings] = MappingProxyType({}),
    cache: str | os.PathLike[str] | None = None,
) -> tuple[Entry, Source]:
    """Resolve a dataset's name to its reader and folder; see `open_dataset`."""
    if split not in SPLITS:
        raise InputError(f"split {split!r}: must be one of {', '.join(SPLITS)}")
    if name in datasets:
        return _configured(name, split, Path(root), datasets[name], cache)
    if name not in dataset.names():
        raise unknown(f"dataset {name!r}", name, [*dataset.names(), *datasets])
    entry = dataset.find(name)
    candidates = [Path(root) / folder for folder in (name, *entry.folders)]
    path = next((candidate for candidate in candidates if candidate.is_dir()), candidates[0])
    return entry, Source(name, split, path, entry.image_size, entry.length, Path(cache) if cache else None)


def _configured(
    name: str, split: str, root: Path, settings: DatasetSettings, cache: str | os.PathLike[str] | None
) -> tuple[Entry, Source]:
    if settings.kind not in dataset.names():
        raise unknown(f"datasets.{name}.kind {settings.kind!r}", settings.kind, dataset.names())
    kind = dataset.find(settings.kind)
    for option in sorted(settings.intake.keys() - kind.reader.options):
        raise InputError(f"datasets.{name}.{option}: videos of kind {settings.kind} are taken as they are")
    entry = replace(
        kind, image_size=settings.image_size or kind.image_size, length=settings.length or kind.length
    )
    source = Source(
        name,
        split,
        root / settings.path,
        entry.image_size,
        entry.length,
        Path(cache) if cache else None,
        Intake(**settings.intake),
    )
    return entry, source


def open_dataset(
    name: str,
    split: str,
    root: str | os.PathLike[str],
    datasets: Mapping[str, DatasetSettings] = MappingProxyType({}),
    cache: str | os.PathLike[str] | None = None,
) -> VideoDataset:
    """Open one split ("train" or "test") of a dataset.

    A known name is looked for under `root`, unless it is one of `datasets`, which describes more:
    `{"my_videos": DatasetSettings("video_folder", "my/videos", image_size=64, length=120)}`. With `cache`,
    files are copied to that folder as they are first read.

    Raises `InputError` for an unknown name and for data that is absent or broken.
    """
    entry, source = find_source(name, split, root, datasets, cache)
    if not source.path.is_dir():
        raise InputError(f"dataset {name}: no folder {source.path}")
    return entry.reader(source)
