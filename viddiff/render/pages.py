"""The pages of an animation: videos side by side, enlarged pixels, observed frames in a coloured border.

Beneath the pictures a bar shows how much of the video has passed, and the frame's number. Pages are drawn one at a
time from frames that are read one at a time, so that an animation of any length takes the memory of a page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw

from viddiff.errors import InputError
from viddiff.render.canvas import EMPTY, FAINT, GENERATED, INK, OBSERVED, PAPER, as_rgb, fitting_scale, font

FPS = 20.0  # frames per second
BORDER = 4  # pixels around a picture
MARKS = np.array([PAPER, OBSERVED, GENERATED, EMPTY, INK, FAINT], dtype=np.uint8)
_PAPER, _OBSERVED, _GENERATED, _EMPTY, _INK, _FAINT = range(len(MARKS))  # paper is 0
_BAR = 4  # height of the progress bar
_CAPTION = 16  # height of a line of text
_GAP = 6  # between videos
_LABEL = 180  # pixels after which a label goes on in another line, if the picture is not wider
_ROW = 5  # clips that stand in one row
_ROWS = 10  # rows that stand as they are
_SIZE = 128  # pixels that the longer side of a picture comes near to

Page = UInt8[np.ndarray, "H W"]


@dataclass(frozen=True)
class Clip:
    """A video of an animation.

    frames: uint8 `[C, H, W]`, C 1 or 3, one after another, which are read once; length: how many; size: their height
    and width; observed: which of them are marked; label: a text above the picture.
    """

    frames: Iterable[np.ndarray]
    length: int
    size: tuple[int, int]
    observed: Bool[np.ndarray, " T"]
    label: str = ""

    @staticmethod
    def of(frames: np.ndarray, observed: int | Sequence[bool], name: str, label: str = "") -> Clip:
        """The clip of an array, uint8 `[T, C, H, W]`, which may be memory-mapped; `name` says in errors whose it is.

        observed: the number of leading frames that are observed, or T booleans. Raises `InputError` for others.
        """
        length, height, width, _ = as_rgb(frames, name).shape
        return Clip(frames, length, (height, width), observed_flags(observed, length), label)


@dataclass(frozen=True)
class Board:
    """Clips of the same length and size in rows, enlarged by an integer factor. Raises `InputError` for other clips."""

    rows: Sequence[Sequence[Clip]]
    scale: int

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise InputError(f"scale is {self.scale}; allowed is 1 or more")
        first = self.clips[0]
        for clip in self.clips[1:]:
            if (clip.length, clip.size) != (first.length, first.size):
                raise InputError(
                    f"{clip.label}: {clip.length} frames of {list(clip.size)}; {first.label} has {first.length} of "
                    f"{list(first.size)}"
                )

    @cached_property
    def clips(self) -> list[Clip]:
        """All clips, row by row."""
        return list(chain.from_iterable(self.rows))

    @property
    def length(self) -> int:
        """The number of frames."""
        return self.clips[0].length

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Height and width of a page."""
        height, width = self._cell
        columns = max(map(len, self.rows))
        beneath = 2 + _BAR + _CAPTION
        return len(self.rows) * (height + _GAP) - _GAP + beneath, columns * (width + _GAP) - _GAP

    @cached_property
    def places(self) -> list[tuple[slice, slice]]:
        """Rows and columns of a page in which the pictures lie, without their borders."""
        height, width = self._picture
        corners = [(top + self._label_height + BORDER, left + BORDER) for top, left in self._corners]
        return [(slice(top, top + height), slice(left, left + width)) for top, left in corners]

    def page(self, index: int | None) -> Page:
        """The page of a frame without its pictures, or the last one, on which none is: entries of `MARKS`."""
        page = self._blank.copy()
        passed = self.length if index is None else index + 1
        top, width = self._bar_top, self.shape[1] - 2 * BORDER
        frame_of_column = np.arange(width) * self.length // width
        bar = np.where(self._any_observed[frame_of_column], _OBSERVED, _GENERATED)
        page[top : top + _BAR, BORDER : BORDER + width] = np.where(frame_of_column < passed, bar, _EMPTY)
        if index is None:
            _write_caption(page, "end", "")
            return page
        observed = [bool(clip.observed[index]) for clip in self.clips]
        kind = "observed" if all(observed) else "" if any(observed) else "generated"
        _write_caption(page, f"{index}/{self.length - 1}", kind)
        for (rows, columns), marked in zip(self.places, observed, strict=True):
            if marked:
                page[
                    rows.start - BORDER : rows.stop + BORDER, columns.start - BORDER : columns.stop + BORDER
                ] = _OBSERVED
        return page

    def pictures(self) -> Iterator[list[UInt8[np.ndarray, "H W 3"]]]:
        """Frame by frame, the pictures of all clips, not enlarged."""
        for frames in zip(*(clip.frames for clip in self.clips), strict=True):
            yield [
                as_rgb(np.asarray(frame)[None], clip.label)[0]
                for clip, frame in zip(self.clips, frames, strict=True)
            ]

    @property
    def _picture(self) -> tuple[int, int]:
        height, width = self.clips[0].size
        return height * self.scale, width * self.scale

    @cached_property
    def _labels(self) -> list[list[str]]:
        return [_lines(clip.label, max(_LABEL, self._picture[1])) for clip in self.clips]

    @cached_property
    def _label_height(self) -> int:
        return _CAPTION * max(map(len, self._labels))

    @cached_property
    def _cell(self) -> tuple[int, int]:
        """Height and width of a clip with its label and border."""
        height, width = self._picture
        widest = max((font(11).getlength(line) for lines in self._labels for line in lines), default=0)
        return self._label_height + height + 2 * BORDER, max(width, round(widest)) + 2 * BORDER

    @cached_property
    def _corners(self) -> list[tuple[int, int]]:
        height, width = (side + _GAP for side in self._cell)
        return [
            (row * height, column * width)
            for row, clips in enumerate(self.rows)
            for column in range(len(clips))
        ]

    @property
    def _bar_top(self) -> int:
        return self.shape[0] - _CAPTION - _BAR

    @cached_property
    def _any_observed(self) -> Bool[np.ndarray, " T"]:
        return np.any([clip.observed for clip in self.clips], axis=0)

    @cached_property
    def _blank(self) -> Page:
        page = np.full(self.shape, _PAPER, dtype=np.uint8)
        for rows, columns in self.places:
            page[rows, columns] = _EMPTY
        for (top, left), lines in zip(self._corners, self._labels, strict=True):
            for number, line in enumerate(lines):
                strip = page[top + number * _CAPTION :][:_CAPTION, left : left + self._cell[1]]
                _write(strip, BORDER, line, _INK)
        return page


def fitting_board(rows: Sequence[Sequence[Clip]], scale: int | None) -> Board:
    """A board; left out, `scale` brings the longer side of the pictures near to 128 pixels."""
    return Board(rows, fitting_scale(*rows[0][0].size, _SIZE) if scale is None else scale)


def in_rows(clips: Sequence[Clip]) -> list[Sequence[Clip]]:
    """Up to `_ROW` clips in one row, more in rows of about as many columns as rows."""
    columns = len(clips) if len(clips) <= _ROW else math.ceil(math.sqrt(len(clips)))
    return [clips[first : first + columns] for first in range(0, len(clips), columns)]


def joined_rows(rows: Sequence[Sequence[Clip]]) -> list[Sequence[Clip]]:
    """Up to `_ROWS` rows of equal length as they are; of more so many are joined that the page is about square."""
    height, width = rows[0][0].size
    square = round(math.sqrt(len(rows) * height / (len(rows[0]) * width)))
    count = 1 if len(rows) <= _ROWS else max(1, square)
    return [list(chain.from_iterable(rows[first : first + count])) for first in range(0, len(rows), count)]


def check_fps(fps: float) -> None:
    """Raise `InputError` for a frame rate that animations cannot have."""
    if not 1.0 <= fps <= 50.0:
        raise InputError(f"fps is {fps}; allowed is 1 to 50")


def observed_flags(observed: int | Sequence[bool], length: int) -> Bool[np.ndarray, " T"]:
    """Which of `length` frames are observed: so many leading ones, or as told. Raises `InputError` for others."""
    if isinstance(observed, int):
        if not 0 <= observed <= length:
            raise InputError(f"observed is {observed}; allowed is 0 to {length}, the number of frames")
        return np.arange(length) < observed
    if len(observed) != length:
        raise InputError(f"observed has {len(observed)} entries; allowed is one for each of {length} frames")
    return np.array(observed, dtype=bool)


def _lines(text: str, width: int) -> list[str]:
    """A label in lines of at most `width` pixels, broken behind `_`, `-` and spaces; longer parts stay whole."""
    lines: list[str] = []
    for part in re.findall(r"[^_\- ]*[_\- ]|[^_\- ]+", text):
        if lines and font(11).getlength((lines[-1] + part).rstrip()) <= width:
            lines[-1] += part
        else:
            lines.append(part)
    return lines


def _write_caption(page: Page, number: str, kind: str) -> None:
    """Write the frame's number at the lower left and, where there is room, its kind at the right."""
    strip = page[-_CAPTION:]
    small = font(11)
    right = page.shape[1] - BORDER - round(small.getlength(kind))
    _write(strip, BORDER, number, _INK)
    if right > BORDER + small.getlength(number) + 6:
        _write(strip, right, kind, _FAINT)


def _write(strip: Page, left: int, text: str, entry: int) -> None:
    """Write a line of text into a strip that is as high."""
    height, width = strip.shape
    mask = Image.new("1", (width, height))
    ImageDraw.Draw(mask).text((left, height // 2), text, fill=1, font=font(11), anchor="lm")
    strip[np.asarray(mask)] = entry
