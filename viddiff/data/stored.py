"""One video as it is stored: an array, alone or in an archive, a compressed file, a GIF or a folder of pictures.

All give frames `[H, W, C]`, uint8, C of 1 (grey), 3, or 4 (with alpha). `parts` says whether a few frames can be had
without the others; what cannot be, is decoded whole and should be kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageOps, ImageSequence

from viddiff.data.arrays import open_array
from viddiff.data.base import by_number
from viddiff.data.ffmpeg import Frame, Index, T, decode_all, decode_part, read_index
from viddiff.data.limits import MAX_BLOCK, check_frame, most_frames, too_long
from viddiff.errors import InputError, unreadable
from viddiff.files.hdf5 import open_hdf5
from viddiff.files.npz import load_npz

MOVIES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
GIFS = (".gif",)
ARRAYS = (".npy", ".pt")
NPZ = (".npz",)
HDF5 = (".h5", ".hdf5")
PICTURES = (".png", ".jpg", ".jpeg")
# Frames of a compressed video that take about as long to decode as ffmpeg takes to start a few times.
SHORT = 256

Frames = UInt8[np.ndarray, "n H W C"]


class Stored(ABC):
    """A video whose frames will be used at a height and width, `size`."""

    parts = True

    def __init__(self, path: Path, size: tuple[int, int]):
        self.path = path
        self.size = size

    @abstractmethod
    def count(self) -> int:
        """How many frames there are. Raises `InputError` if it is no video, or damaged as far as that shows here."""

    @abstractmethod
    def all(self) -> Iterator[Frame]:
        """All frames. Raises `InputError` if any part is damaged."""

    @abstractmethod
    def some(self, wanted: Sequence[int], use: Callable[[Frames], T]) -> list[T]:
        """What `use` makes of the frames of these rising numbers, one or more at a time."""

    def examine(self) -> int:
        """How many frames there are, now that all were read. Raises `InputError` if any part is damaged."""
        count = 0
        for count, _ in enumerate(self.all(), 1):
            if count > most_frames(self.size):
                raise too_long(self.path, self.size)
        if count == 0:
            raise InputError(f"{self.path}: holds no frames")
        return count

    def seconds(self) -> np.ndarray:
        """Time stamps of the frames, from 0. Raises `InputError` if there are none."""
        raise InputError(f"{self.path}: no time stamps that frame_rate could follow; give stride instead")


class Movie(Stored):
    """A compressed file, decoded by ffmpeg."""

    @cached_property
    def index(self) -> Index:
        return read_index(self.path, self.size)

    @cached_property
    def parts(self) -> bool:  # type: ignore[override]
        return self.index.exact and len(self.index) > SHORT

    def count(self) -> int:
        return len(self.index)

    def all(self) -> Iterator[Frame]:
        return decode_all(self.path, self.size)

    def some(self, wanted: Sequence[int], use: Callable[[Frames], T]) -> list[T]:
        return decode_part(self.path, self.index, wanted, self.size, lambda frame: use(frame[None]))

    def seconds(self) -> np.ndarray:
        return self.index.seconds


class Whole(Stored):
    """A video of which no part can be read alone."""

    parts = False

    def count(self) -> int:
        return self.examine()

    def some(self, wanted: Sequence[int], use: Callable[[Frames], T]) -> list[T]:
        return [use(frame[None]) for number, frame in enumerate(self.all()) if number in wanted]


class Gif(Whole):
    """An animation; its delays are not read."""

    def all(self) -> Iterator[Frame]:
        try:
            with Image.open(self.path, formats=["GIF"]) as image:
                for frame in ImageSequence.Iterator(image):
                    check_frame(self.path, frame.height, frame.width, self.size)
                    yield np.asarray(frame.convert("RGB"))
        except InputError:
            raise
        except Exception as error:  # Pillow raises many kinds for a damaged file
            raise unreadable(self.path, error) from error


class Npz(Whole):
    """An array in an archive, which is unpacked whole."""

    def all(self) -> Iterator[Frame]:
        yield from as_frames(self.path, load_npz(self.path, MAX_BLOCK), self.size)


class Array(Stored):
    """A memory-mapped array file. Only its header is examined, against the size of the file."""

    def count(self) -> int:
        return len(open_frames(self.path, self.size))

    examine = count

    def all(self) -> Iterator[Frame]:
        yield from open_frames(self.path, self.size)

    def some(self, wanted: Sequence[int], use: Callable[[Frames], T]) -> list[T]:
        return [use(self._opened[_as_slice(wanted)])]

    @cached_property
    def _opened(self) -> Frames:
        return np.asarray(open_frames(self.path, self.size))


class Hdf5(Stored):
    """An array in an HDF5 file, opened anew for each call: no handle outlives it, nor meets another process."""

    def count(self) -> int:
        with open_hdf5(self.path, MAX_BLOCK) as array:
            channel_axis(self.path, array.shape, array.dtype, self.size)
            return array.shape[0]

    def all(self) -> Iterator[Frame]:
        for start in range(0, length := self.count(), SHORT):
            yield from self._frames(slice(start, min(start + SHORT, length)))

    def some(self, wanted: Sequence[int], use: Callable[[Frames], T]) -> list[T]:
        return [use(self._frames(_as_slice(wanted)))]

    def _frames(self, part: slice | list[int]) -> Frames:
        with open_hdf5(self.path, MAX_BLOCK) as array:
            axis = channel_axis(self.path, array.shape, array.dtype, self.size)
            return channels_last(array[part], axis)


class Pictures(Stored):
    """A folder of pictures of one size, in the order of their names, numbers in these by their values.

    local: the file to read for a picture.
    """

    def __init__(self, path: Path, size: tuple[int, int], local: Callable[[Path], Path]):
        super().__init__(path, size)
        self.local = local

    @cached_property
    def files(self) -> list[Path]:
        return picture_files(self.path)

    def count(self) -> int:
        return len(self.files)

    def all(self) -> Iterator[Frame]:
        return map(self._read, self.files)

    def some(self, wanted: Sequence[int], use: Callable[[Frames], T]) -> list[T]:
        return [use(self._read(self.files[number])[None]) for number in wanted]

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        return read_picture(self.local(self.files[0]), self.size).shape

    def _read(self, file: Path) -> Frame:
        frame = read_picture(self.local(file), self.size)
        if frame.shape != self._shape:
            (height, width, _), (wanted, across, _) = frame.shape, self._shape
            raise InputError(f"{file}: {width}x{height}, but {self.files[0].name} is {across}x{wanted}")
        return frame


def _as_slice(wanted: Sequence[int]) -> slice | list[int]:
    return slice(wanted.start, wanted.stop, wanted.step) if isinstance(wanted, range) else list(wanted)


def stored_video(
    path: Path, size: tuple[int, int], local: Callable[[Path], Path] = lambda file: file
) -> Stored:
    """The video at a path, of the kind that its suffix tells. local: the file to read for one that is named."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return Pictures(path, size, local)
    return next(kind for suffixes, kind in _KINDS.items() if suffix in suffixes)(local(path), size)


_KINDS: dict[tuple[str, ...], Callable[[Path, tuple[int, int]], Stored]] = {
    MOVIES: Movie,
    GIFS: Gif,
    ARRAYS: Array,
    NPZ: Npz,
    HDF5: Hdf5,
}


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder; `frame_9` comes before `frame_10`."""
    return sorted(filter(is_picture, folder.iterdir()), key=lambda file: by_number(file.name))


def is_picture(path: Path) -> bool:
    """Whether a file is a visible picture, by its name."""
    return path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()


def read_picture(path: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """A picture of 8 bits, turned as its camera says. Raises `InputError` if it is damaged or of another kind."""
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as image:
            check_frame(path, image.height, image.width, size)
            if image.mode.startswith(("I", "F")):
                raise InputError(f"{path}: more than 8 bits a value, which would be cut off; save it with 8")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise unreadable(path, error) from error


def open_frames(path: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "T H W C"]:
    """Memory-map the frames of an array file, channels last."""
    return as_frames(path, open_array(path), size)


def as_frames(
    path: Path, array: Shaped[np.ndarray, " ..."], size: tuple[int, int]
) -> UInt8[np.ndarray, "T H W C"]:
    """An array as frames, not copied. Raises `InputError` unless it is uint8 of a video's shape."""
    return channels_last(array, channel_axis(path, array.shape, array.dtype, size))


def channels_last(array: UInt8[np.ndarray, " ..."], axis: int | None) -> UInt8[np.ndarray, "T H W C"]:
    """An array with the axis of its channels at the end; with one channel if it has no such axis."""
    return array[..., None] if axis is None else np.moveaxis(array, axis, -1)


def channel_axis(path: Path, shape: tuple[int, ...], dtype: np.dtype, size: tuple[int, int]) -> int | None:
    """Which axis of a video's array holds the channels; `None` without one.

    Raises `InputError` unless it is uint8 `[T, H, W, C]`, `[T, C, H, W]` or `[T, H, W]`, of allowed size.
    """
    wanted = "must be [T, H, W, C], [T, C, H, W] or [T, H, W]"
    if dtype != np.uint8:
        raise InputError(f"{path}: dtype {dtype}, must be uint8")
    axis: int | None
    if len(shape) == 3 and shape[-1] in (3, 4):
        raise InputError(f"{path}: shape {list(shape)} is one picture, not a video; {wanted}")
    if len(shape) == 3:
        axis, (height, width) = None, shape[1:]
    elif len(shape) == 4 and shape[-1] in (1, 3, 4):
        axis, (height, width) = 3, shape[1:3]
    elif len(shape) == 4 and shape[1] in (1, 3, 4):
        axis, (height, width) = 1, shape[2:]
    else:
        raise InputError(f"{path}: shape {list(shape)}, {wanted}")
    if shape[0] == 0:
        raise InputError(f"{path}: holds no frames")
    check_frame(path, height, width, size)
    if shape[0] > most_frames(size):
        raise too_long(path, size)
    return axis
