"""Videos that are decoded once: each as an array of the frames that the network gets, from which windows are read.

    <folder>/<dataset>/<split>/<name>.npy     uint8 [T, 3, H, W]

A name is a hash of all that the frames depend on: their size, what happens to videos on their way in, and the names,
sizes and times of change of a video's files. So a video that has changed has another array, and none is out of date or
written over. Arrays appear by renaming: processes that make the same one at once all succeed. One that is not there is
made when its video is first read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.lib import format as npy_format

from viddiff.data.base import Counted, Source, VideoDataset, ask
from viddiff.data.cache import cached
from viddiff.data.limits import OPEN_FILES
from viddiff.data.recent import Recent
from viddiff.errors import InputError
from viddiff.files.npy import open_npy
from viddiff.files.write import atomic_path
from viddiff.video import Video

_BLOCK = 2**26  # bytes of frames that are decoded at a time, but for
_FRAMES = 256  # frames at least, since decoding begins at a key frame each time


class DecodedVideos(VideoDataset):
    """The videos of a dataset, with the same frames, lengths and names. folder: of the arrays of all datasets."""

    def __init__(self, videos: VideoDataset, folder: Path):
        super().__init__(videos.source)
        self.videos = videos
        self.folder = folder
        self._arrays: Recent[np.ndarray] = Recent(OPEN_FILES)

    @classmethod
    def examine(cls, source: Source, counted: Counted = ask) -> tuple[list[tuple[Path, int]], list[str]]:
        raise NotImplementedError("the videos themselves are examined")

    def __len__(self) -> int:
        return len(self.videos)

    def file(self, index: int) -> Path:
        return self.videos.file(index)

    def files_of(self, index: int) -> list[Path]:
        return self.videos.files_of(index)

    def stamp(self, index: int) -> str:
        return self.videos.stamp(index)

    def length(self, index: int) -> int:
        return len(self._array(index))

    def frames(self, index: int, start: int, stop: int) -> Video:
        return self._array(index)[start:stop].copy()

    def gather(self, index: int, numbers: Int64[np.ndarray, " n"]) -> Video:
        return self._array(index)[numbers]

    def path(self, index: int) -> Path:
        """The array of a video, which need not be there."""
        facts = (self.frame_size, self.source.intake.changes(), self.videos.stamp(index))
        name = hashlib.sha256(repr(facts).encode()).hexdigest()[:24]
        return self.folder / self.name / self.split / f"{name}.npy"

    def missing(self) -> list[int]:
        """The videos that have no array."""
        return [index for index in range(len(self)) if not self.path(index).exists()]

    def decode(self, index: int) -> Path:
        """Make the array of a video. Raises `InputError` if it is damaged, or changes meanwhile, or for a full disk."""
        path = self.path(index)
        length = self.videos.length(index)
        header = {"descr": "|u1", "fortran_order": False, "shape": (length, self.channels, *self.frame_size)}
        with atomic_path(path) as temporary:
            with open(temporary, "wb") as file:
                npy_format.write_array_header_1_0(file, header)
                for block in self._blocks(index, length):
                    file.write(np.ascontiguousarray(block).data)
            if self.path(index) != path:
                raise InputError(f"{self.file(index)}: changed while it was decoded")
        return path

    def _blocks(self, index: int, length: int) -> Iterator[Video]:
        height, width = self.frame_size
        return self.videos.blocks(index, length, max(_FRAMES, _BLOCK // (self.channels * height * width)))

    def _array(self, index: int) -> UInt8[np.ndarray, "T 3 H W"]:
        return self._arrays.get(index, self._open)

    def _open(self, index: int) -> UInt8[np.ndarray, "T 3 H W"]:
        path = self.path(index)
        if not path.exists():
            self.decode(index)
        array = open_npy(cached(path, self.folder, self.source.cache) if self.source.cache else path)
        wanted = (self.channels, *self.frame_size)
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:] != wanted or len(array) == 0:
            shape = f"[T, {', '.join(map(str, wanted))}]"
            raise InputError(
                f"{path}: {array.dtype} {list(array.shape)}, must be uint8 {shape}; remove it, it is made again"
            )
        return np.asarray(array)
