"""Any folder of videos: `{train,test}/` with .mp4, .avi, .gif, .npy or .pt files, in order of their names.

Frames are resized so that their short side has the configured size (bilinear, antialiased), then cropped
around the centre. Grey becomes three equal channels, alpha is dropped. Arrays are uint8 `[T, H, W, C]`,
`[T, C, H, W]` or `[T, H, W]`. Every stored frame counts once, whatever its time stamp.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageSequence

from viddiff.data.arrays import VideoFiles, open_array
from viddiff.data.base import CHANNELS, Source, dataset
from viddiff.errors import InputError, unreadable
from viddiff.video import Video

ARRAYS = (".npy", ".pt")
SUFFIXES = (".mp4", ".avi", ".gif", *ARRAYS)
OTHER_VIDEOS = (".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv")
MAX_PIXELS = 2**25  # per frame, as stored and as resized: 8K video
MAX_BLOCK = (
    2**29
)  # bytes that ffmpeg may take at a time: for a frame, or for a list of frames that a header claims
MAX_BYTES = 2**32  # of one video, resized
KEPT_BYTES = 2**29  # of decoded videos kept in memory by each process, so that crops need no new decoding
CHUNK_PIXELS = 2**22  # resized at a time


@dataset("video_folder", image_size=64)
class VideoFolder(VideoFiles):
    """Videos of any size and length, brought to `image_size`."""

    def __init__(self, source: Source):
        super().__init__(source)
        self._decoded: OrderedDict[int, np.ndarray] = OrderedDict()

    @classmethod
    def find(cls, source: Source) -> tuple[list[Path], list[str]]:
        folder = source.path / source.split
        if not folder.is_dir():
            return [], [f"{folder}: no such folder"]
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        known = ", ".join(SUFFIXES)
        problems = [
            f"{path}: videos must be {known}" for path in files if path.suffix.lower() in OTHER_VIDEOS
        ]
        paths = [path for path in files if path.suffix.lower() in SUFFIXES]
        if not paths and not problems:
            problems = [f"{folder}: no videos ({known})"]
        return paths, problems

    @classmethod
    def count_frames(cls, path: Path, image_size: int) -> int:
        if path.suffix.lower() in ARRAYS:
            return len(open_frames(path, image_size))
        return len(decode(path, image_size))

    def length(self, index: int) -> int:
        if index not in self._lengths and self.paths[index].suffix.lower() not in ARRAYS:
            self._lengths[index] = len(self._decode(index))
        return super().length(index)

    def frames(self, index: int, start: int, stop: int) -> Video:
        if self.paths[index].suffix.lower() in ARRAYS:
            stored = open_frames(self.local(self.paths[index]), self.image_size)
            return fit(stored[start:stop], self.image_size)
        return self._decode(index)[start:stop].copy()

    def _decode(self, index: int) -> Video:
        """A whole video, from memory if it was used lately."""
        if index in self._decoded:
            self._decoded.move_to_end(index)
            return self._decoded[index]
        video = decode(self.local(self.paths[index]), self.image_size)
        self._decoded[index] = video
        while len(self._decoded) > 1 and sum(kept.nbytes for kept in self._decoded.values()) > KEPT_BYTES:
            self._decoded.popitem(last=False)
        return video


def fit(frames: UInt8[np.ndarray, "T H W C"], size: int) -> UInt8[np.ndarray, "T 3 size size"]:
    """Short side to `size`, centre crop, three channels. Frames of that size already keep their values."""
    height, width = frames.shape[1:3]
    new_height, new_width = (max(size, round(side * size / min(height, width))) for side in (height, width))
    top, left = (new_height - size) // 2, (new_width - size) // 2
    result = np.empty((len(frames), CHANNELS, size, size), np.uint8)
    step = max(1, CHUNK_PIXELS // (height * width))
    for first in range(0, len(frames), step):
        chunk = torch.from_numpy(np.array(frames[first : first + step, ..., :CHANNELS])).permute(0, 3, 1, 2)
        if (new_height, new_width) != (height, width):
            shape = (new_height, new_width)
            scaled = torch.nn.functional.interpolate(chunk.float(), shape, mode="bilinear", antialias=True)
            chunk = (scaled + 0.5).clamp(0, 255).to(torch.uint8)
        result[first : first + step] = chunk[..., top : top + size, left : left + size].numpy()
    return result


def _check_size(path: Path, height: int, width: int, size: int) -> None:
    """Refuse frames that no honest video has, before memory is taken for them."""
    largest = max(height * width, size * round(max(height, width) * size / max(1, min(height, width))))
    if min(height, width) < 1 or largest > MAX_PIXELS:
        raise InputError(f"{path}: frames of {width}x{height}, at most {MAX_PIXELS} pixels are allowed")


def open_frames(path: Path, size: int) -> UInt8[np.ndarray, "T H W C"]:
    """Memory-map the frames of an array file, channels last."""
    array = open_array(path)
    if array.dtype != np.uint8:
        raise InputError(f"{path}: dtype {array.dtype}, must be uint8")
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[-1] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[-1] not in (1, 3, 4):
        raise InputError(
            f"{path}: shape {list(array.shape)}, must be [T, H, W, C], [T, C, H, W] or [T, H, W]"
        )
    if len(array) == 0:
        raise InputError(f"{path}: holds no frames")
    height, width = array.shape[1:3]
    _check_size(path, height, width, size)
    if len(array) * CHANNELS * size**2 > MAX_BYTES:
        raise _too_long(path, size)
    return array


def decode(path: Path, size: int) -> UInt8[np.ndarray, "T 3 size size"]:
    """All frames of a .mp4, .avi or .gif file. Raises `InputError` if any part of it is damaged."""
    stored = _gif_frames(path, size) if path.suffix.lower() == ".gif" else _ffmpeg_frames(path, size)
    frames = []
    for frame in stored:
        frames.append(fit(frame[None], size))
        if len(frames) * CHANNELS * size**2 > MAX_BYTES:
            raise _too_long(path, size)
    if not frames:
        raise InputError(f"{path}: holds no frames")
    return np.concatenate(frames)


def _too_long(path: Path, size: int) -> InputError:
    return InputError(
        f"{path}: more than {MAX_BYTES // (CHANNELS * size**2)} frames of {size}x{size}; cut it"
    )


def _gif_frames(path: Path, size: int) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    try:
        with Image.open(path, formats=["GIF"]) as image:
            for frame in ImageSequence.Iterator(image):
                _check_size(path, frame.height, frame.width, size)
                yield np.asarray(frame.convert("RGB"))
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise unreadable(path, error) from error


def _ffmpeg_frames(path: Path, size: int) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Frames as ffmpeg decodes them, from a stream of PPM images. No other files or hosts are opened."""
    options = "-nostdin -v error -xerror -protocol_whitelist file -format_whitelist mov,avi,matroska"
    limits = f"-max_alloc {MAX_BLOCK} -max_pixels {MAX_PIXELS}"
    output = "-map 0:v:0 -fps_mode passthrough -f image2pipe -c:v ppm -pix_fmt rgb24 -"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *options.split(), *limits.split(), "-i", f"file:{path}"]
    command += output.split()
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages)
        assert process.stdout is not None
        try:
            while header := process.stdout.readline():
                width, height = _ppm_size(path, header, process.stdout)
                _check_size(path, height, width, size)
                data = process.stdout.read(3 * width * height)
                if len(data) < 3 * width * height:
                    break
                yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
            process.wait()
        finally:
            process.stdout.close()
            process.kill()
            process.wait()
        if process.returncode != 0:
            messages.seek(0)
            lines = messages.read(1000).decode(errors="replace").splitlines() or ["ffmpeg failed"]
            raise InputError(f"{path}: not a whole video: {lines[0].split('] ', 1)[-1]}")


def _ppm_size(path: Path, header: bytes, stream: IO[bytes]) -> tuple[int, int]:
    """Width and height from the three header lines of a PPM image."""
    try:
        width, height = map(int, stream.readline().split())
        if header.strip() == b"P6" and stream.readline().strip() == b"255":
            return width, height
    except ValueError:
        pass
    raise InputError(f"{path}: cannot be decoded")
