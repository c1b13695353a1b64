"""Array files, read without trust, and datasets that keep one array per video.

Files are memory-mapped, so a header is cheap to read and a crop costs its own frames alone. What a header
claims is held against the file's size, and nothing that could run code is ever loaded.

MineRL and GQN mazes: `{train,test}/<i>.npy`, i from 0, uint8 `[T, H, W, C]`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor

from viddiff.data.base import CHANNELS, Counted, Source, VideoDataset, ask, dataset
from viddiff.data.limits import OPEN_FILES
from viddiff.data.recent import Recent
from viddiff.dataset_settings import height_width, plain_size
from viddiff.errors import InputError, unreadable
from viddiff.files.npy import open_npy
from viddiff.files.torch_files import load_torch
from viddiff.video import Video


def open_pt(path: Path) -> Tensor:
    """Memory-map a `.pt` file that holds one dense tensor. Raises `InputError` for anything else."""
    tensor = load_torch(path, "tensor", mmap=True)
    if type(tensor) is not Tensor:
        raise InputError(f"{path}: must hold one dense tensor, not {type(tensor).__name__}")
    return tensor


def open_array(path: Path) -> np.ndarray:
    """Memory-map a `.npy` or `.pt` file, by its suffix."""
    if path.suffix.lower() == ".npy":
        return open_npy(path)
    try:
        return open_pt(path).detach().numpy()
    except TypeError as error:  # a dtype that NumPy lacks
        raise unreadable(path, error) from error


def open_video(path: Path, image_size: int | Sequence[int]) -> UInt8[np.ndarray, "T H W C"]:
    """Memory-map one video of exactly the given frame size; raises `InputError` if it is anything else."""
    array = open_array(path)
    height, width = height_width(image_size)
    shape = f"[T, {height}, {width}, {CHANNELS}]"
    if array.dtype != np.uint8:
        raise InputError(f"{path}: dtype {array.dtype}, must be uint8 {shape}")
    if array.ndim != 4 or array.shape[1:] != (height, width, CHANNELS):
        raise InputError(f"{path}: shape {list(array.shape)}, must be {shape}")
    if len(array) == 0:
        raise InputError(f"{path}: holds no frames")
    return array


class VideoFiles(VideoDataset):
    """A dataset with one file per video. A subclass says which files (`find`) and may read other formats."""

    def __init__(self, source: Source):
        super().__init__(source)
        self.paths, problems = self.find(source)
        if problems:
            more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
            raise InputError(problems[0] + more)
        self._lengths: dict[int, int] = {}
        self._arrays: Recent[np.ndarray] = Recent(OPEN_FILES)

    @classmethod
    @abstractmethod
    def find(cls, source: Source) -> tuple[list[Path], list[str]]:
        """The files of a split in the order of their index, and what is wrong with the listing."""

    @classmethod
    def count_frames(cls, path: Path, image_size: int | list[int]) -> int:
        """Frames in a file. Raises `InputError` if it is not a readable video of the right kind."""
        return len(open_video(path, image_size))

    @classmethod
    def examine(cls, source: Source, counted: Counted = ask) -> tuple[list[tuple[Path, int]], list[str]]:
        paths, problems = cls.find(source)
        lengths = []
        for path in paths:
            try:
                count = partial(cls.count_frames, path, plain_size(source.frame_size))
                lengths.append((path, counted(path, count)))
            except InputError as error:
                problems.append(str(error))
        return lengths, problems

    def __len__(self) -> int:
        return len(self.paths)

    def file(self, index: int) -> Path:
        return self.paths[index]

    def length(self, index: int) -> int:
        if index not in self._lengths:
            self._lengths[index] = self.count_frames(self.paths[index], self.image_size)
        return self._lengths[index]

    def frames(self, index: int, start: int, stop: int) -> Video:
        video = self._arrays.get(index, self._open_array)
        return np.array(video[start:stop].transpose(0, 3, 1, 2), order="C")

    def gather(self, index: int, numbers: Int64[np.ndarray, " n"]) -> Video:
        video = self._arrays.get(index, self._open_array)
        return np.array(video[numbers].transpose(0, 3, 1, 2), order="C")

    def _open_array(self, index: int) -> UInt8[np.ndarray, "T H W C"]:
        return np.asarray(open_video(self.local(self.paths[index]), self.image_size))


@dataset("minerl", image_size=64, length=500, folders=("minerl_navigate-torch",))
@dataset("mazes_cwvae", image_size=64, length=300, folders=("gqn_mazes-torch",))
class NumberedArrays(VideoFiles):
    """`<split>/<i>.npy` for i = 0, 1, 2, ..."""

    @classmethod
    def find(cls, source: Source) -> tuple[list[Path], list[str]]:
        folder = source.path / source.split
        if not folder.is_dir():
            return [], [f"{folder}: no such folder"]
        names = {path.name for path in folder.glob("*.npy") if not path.name.startswith(".")}
        if not names:
            return [], [f"{folder}: no .npy files"]
        numbered = {
            int(name[:-4]) for name in names if name[:-4].isdecimal() and str(int(name[:-4])) == name[:-4]
        }
        strange = sorted(names - {f"{number}.npy" for number in numbered})
        problems = [f"{folder / name}: must be named by its index, like 0.npy" for name in strange]
        # A stray large number would otherwise be reported as millions of missing files.
        missing = sorted(set(range(len(numbered))) - numbered)
        problems += [
            f"{folder / f'{index}.npy'}: missing; indices must run from 0 without gaps" for index in missing
        ]
        return [folder / f"{index}.npy" for index in sorted(numbered)], problems
