"""Videos as MP4: the pages of `viddiff.render.pages` in H.264, as all browsers play it.

Frame n of a video is frame n of the file and is shown from n / fps on: the rate is constant, no frame is shown in
another order than it is stored, and every `_KEYS`-th can be decoded alone, so that players go to a frame at once.
Colours are those of HDTV (BT.709), and the file says so. Its index comes first: it plays while it loads. The same
frames give the same bytes.

ffmpeg is run here and not by imageio-ffmpeg's writer, which does not tell if it failed.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8

from viddiff.errors import InputError
from viddiff.files.write import atomic_path
from viddiff.render.canvas import enlarge
from viddiff.render.pages import FPS, MARKS, Board, Clip, check_fps, fitting_board

MOST_PIXELS = 4096  # of a side, which decoders in hardware take
_KEYS = 10  # frames from one that can be decoded alone to the next

_INPUT = "-nostdin -v error -f rawvideo -pixel_format rgb24"
_COLOURS = (
    "-vf scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int+area,format=yuv420p,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)
_CODEC = f"-c:v libx264 -profile:v high -preset veryfast -crf 12 -bf 0 -g {_KEYS} -threads 1 -an"
_FILE = "-fflags +bitexact -flags:v +bitexact -movflags +faststart -f mp4 -y"


def write_mp4(
    path: Path | str,
    frames: np.ndarray,
    observed: int | Sequence[bool],
    *,
    fps: float = FPS,
    scale: int | None = None,
) -> None:
    """Write a video as an MP4 of T frames, which look as those of `write_gif`.

    `frames` are uint8 `[T, C, H, W]`, C 1 or 3; of a memory-mapped array one frame is read at a time. `observed` is
    the number of leading frames that are observed, or T booleans. `scale` enlarges by an integer factor; left out, the
    longer side becomes about 128 pixels.

    Raises `InputError` for other frames, or parameters that do not fit them; `OutputError` if it cannot be
    written.
    """
    write_clips(path, [[Clip.of(frames, observed, str(path))]], fps=fps, scale=scale)


def write_clips(
    path: Path | str, rows: Sequence[Sequence[Clip]], *, fps: float = FPS, scale: int | None = None
) -> None:
    """Write an MP4 of clips in rows, which are read and written frame by frame.

    `scale` enlarges by an integer factor; left out, the longer side of each picture becomes about 128 pixels, or less
    where the page would have more than `MOST_PIXELS` on a side. Raises `InputError` if it does not fit at all, for
    clips of different lengths or sizes, and as `write_mp4` does.
    """
    check_fps(fps)
    board = fitting_board(rows, scale)
    while scale is None and board.scale > 1 and max(board.shape) > MOST_PIXELS:
        board = fitting_board(rows, board.scale - 1)
    if max(board.shape) > MOST_PIXELS:
        height, width = board.shape
        raise InputError(
            f"{path}: {len(board.clips)} videos side by side are {width} x {height} pixels; allowed is {MOST_PIXELS} a "
            "side"
        )
    with atomic_path(path) as temporary:
        _encode(temporary, _images(board), fps)


def _images(board: Board) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The frames of the file. Their sides are even, as yuv420p wants them."""
    odd = [(0, side % 2) for side in board.shape]
    for index, pictures in enumerate(board.pictures()):
        image = MARKS.take(np.pad(board.page(index), odd), axis=0)
        for place, picture in zip(board.places, pictures, strict=True):
            image[place] = enlarge(picture, board.scale)
        yield image


def _encode(path: Path, images: Iterator[UInt8[np.ndarray, "H W 3"]], fps: float) -> None:
    """Have ffmpeg encode images of one size. Raises `OSError` with what it says if it fails."""
    first = next(images)
    size = f"{first.shape[1]}x{first.shape[0]}"
    rate = Fraction(fps).limit_denominator(1001)
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        *f"{_INPUT} -video_size {size} -framerate {rate} -i -".split(),
    ]
    command += [*f"{_COLOURS} {_CODEC} {_FILE}".split(), f"file:{path}"]
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=messages)
        assert process.stdin is not None
        try:
            with suppress(BrokenPipeError), process.stdin as stream:  # whose reason ffmpeg tells
                for image in chain([first], images):
                    stream.write(image.data)
            process.wait()
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            messages.seek(0)
            lines = messages.read(10_000).decode(errors="replace").splitlines()
            raise OSError((lines or ["ffmpeg failed"])[0].split("] ", 1)[-1])
