"""What no honest video exceeds: refused before memory is taken for it, whatever a header claims."""

from __future__ import annotations

from pathlib import Path

from viddiff.errors import InputError

CHANNELS = 3
MAX_PIXELS = 2**25  # per frame, as stored and as resized: 8K video
MAX_BLOCK = 2**29  # bytes at a time: of ffmpeg for a frame or a list of frames, of an archive's content
MAX_BYTES = 2**32  # of one video, resized
OPEN_FILES = 2**12  # memory-mapped by a process at once


def check_frame(path: Path, height: int, width: int, size: tuple[int, int]) -> None:
    """Refuse stored frames that are too large, or would be when brought to `size`, a height and a width."""
    largest = height * width
    if min(height, width) > 0:
        scale = max(size[0] / height, size[1] / width)
        largest = max(largest, round(height * scale) * round(width * scale))
    if min(height, width) < 1 or largest > MAX_PIXELS:
        raise InputError(f"{path}: frames of {width}x{height}, at most {MAX_PIXELS} pixels are allowed")


def most_frames(size: tuple[int, int]) -> int:
    """How many frames of a height and width a video may have."""
    return MAX_BYTES // (CHANNELS * size[0] * size[1])


def too_long(path: Path, size: tuple[int, int]) -> InputError:
    """The refusal of a video of more frames."""
    return InputError(f"{path}: more than {most_frames(size)} frames of {size[0]}x{size[1]}; cut it")
