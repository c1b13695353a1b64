"""A contact sheet: for each video the ground truth above and a row per mode below, some frames of each.

Observed frames have a coloured border, goals too in the rows of the modes to which they are given; gaps separate
them from the generated ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from viddiff.errors import InputError
from viddiff.files.write import atomic_path
from viddiff.render.canvas import (
    FAINT,
    GENERATED,
    INK,
    OBSERVED,
    PAPER,
    Colour,
    as_rgb,
    enlarge,
    fitting_scale,
    font,
)

BORDER = 3  # pixels around each frame
_GAP = 3  # between frames
_SPLIT = 12  # more between observed and generated frames
_HEADER = 46  # above the first row: the two kinds and the frame numbers
_BLOCK = 18  # between videos
_MARGIN = 14  # around the sheet

Videos = Mapping[int, np.ndarray]


def contact_sheet(
    path: Path | str,
    truth: Videos,
    samples: Mapping[str, Videos],
    n_obs: int,
    *,
    goals: Mapping[str, Sequence[int]] | None = None,
    columns: int = 12,
    scale: int | None = None,
) -> None:
    """Write a PNG: for each video of `truth` a row of it and one row for each mode of `samples`.

    Frames are uint8 `[T, C, H, W]`. All samples have the same T; truth may be longer. `n_obs`: how many leading
    frames are observed; `goals`: later ones that a mode observes as well. `scale` enlarges frames by an integer
    factor; left out, the longer side becomes about 96 pixels.

    Raises `InputError` naming the mode and the video that is missing or does not fit; `OutputError` if the
    sheet cannot be written.
    """
    goals = goals or {}
    rows, length = _rows(truth, samples)
    all_goals = sorted({frame for frames in goals.values() for frame in frames})
    shown = sheet_columns(length, n_obs, columns, all_goals)
    kinds = [_kind(index, n_obs, all_goals) for index in shown]
    height, width = rows[0].images.shape[1:3]
    if scale is None:
        scale = fitting_scale(height, width, 96)
    if scale < 1:
        raise InputError(f"scale is {scale}; allowed is 1 or more")
    layout = _Layout.of(rows, kinds, height * scale, width * scale)

    sheet = Image.new("RGB", layout.size, PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, layout, shown, kinds)
    for row, top in zip(rows, layout.tops, strict=True):
        _draw_label(draw, row, top, layout)
        for left, index in zip(layout.lefts, shown, strict=True):
            if index < n_obs or index in (goals.get(row.mode, ()) if row.mode else all_goals):
                draw.rectangle(_cell(left, top, layout), fill=OBSERVED)
            sheet.paste(Image.fromarray(enlarge(row.images[index], scale)), (left + BORDER, top + BORDER))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def sheet_columns(length: int, n_obs: int, columns: int, goals: Sequence[int] = ()) -> list[int]:
    """The frames shown: the first and last observed ones, the first and last goals, evenly spaced generated ones.

    Raises `InputError` if no frame is generated or `columns` leaves no room for the first and last generated.
    """
    if not 0 <= n_obs < length:
        raise InputError(f"n_obs is {n_obs}; allowed is 0 to {length - 1}, below the number of frames")
    left = [frame for frame in range(n_obs, length) if frame not in goals]
    if not left:
        raise InputError(f"all {length} frames are observed or goals; one at least must be generated")
    given = {*((0, n_obs - 1) if n_obs else ()), *((goals[0], goals[-1]) if goals else ())}
    if columns < len(given) + 2:
        raise InputError(f"columns is {columns}; allowed is {len(given) + 2} or more")
    count = min(columns - len(given), len(left))
    generated = np.linspace(0, len(left) - 1, count).round().astype(int)
    return sorted([*given, *(left[place] for place in generated)])


def _kind(index: int, n_obs: int, goals: Sequence[int]) -> str:
    """The kind of frames under which a column stands."""
    return "observed" if index < n_obs else "goals" if index in goals else "generated"


@dataclass(frozen=True)
class _Row:
    video: int
    mode: str  # "" for the ground truth
    images: UInt8[np.ndarray, "T H W 3"]


def _rows(truth: Videos, samples: Mapping[str, Videos]) -> tuple[list[_Row], int]:
    """All rows from top to bottom and the length that the samples have in common."""
    if not truth or not samples:
        raise InputError("a contact sheet needs at least one video and one mode")
    rows = []
    for video in truth:
        rows.append(_Row(video, "", as_rgb(truth[video], f"video {video}")))
        for mode, videos in samples.items():
            if video not in videos:
                raise InputError(f"{mode}: no sample of video {video}")
            rows.append(_Row(video, mode, as_rgb(videos[video], f"{mode}: sample of video {video}")))
    first = rows[1]
    for row in rows:
        name = f"{row.mode}: sample of video {row.video}" if row.mode else f"video {row.video}"
        if row.images.shape[1:] != first.images.shape[1:]:
            size, expected = row.images.shape[1:3], first.images.shape[1:3]
            raise InputError(f"{name}: frames are {list(size)}; {first.mode} has {list(expected)}")
        length, wanted = len(row.images), len(first.images)
        if length < wanted or (row.mode and length != wanted):
            raise InputError(f"{name}: {length} frames; {first.mode} has {wanted}")
    return rows, len(first.images)


@dataclass(frozen=True)
class _Layout:
    """Where things are, in pixels: the left edge of each column, the upper edge of each row."""

    lefts: list[int]
    tops: list[int]
    cell: tuple[int, int]  # width, height of a frame with its border
    size: tuple[int, int]

    @classmethod
    def of(cls, rows: list[_Row], kinds: list[str], height: int, width: int) -> _Layout:
        cell_width, cell_height = width + 2 * BORDER, height + 2 * BORDER
        gutter = max(_label_width(row) for row in rows) + 14
        lefts = [_MARGIN + gutter]
        for before, kind in pairwise(kinds):
            lefts.append(lefts[-1] + cell_width + _GAP + (_SPLIT if kind != before else 0))
        tops, top = [], _MARGIN + _HEADER
        for index, row in enumerate(rows):
            if index and not row.mode:
                top += _BLOCK
            tops.append(top)
            top += cell_height + _GAP
        size = (lefts[-1] + cell_width + _MARGIN, tops[-1] + cell_height + _MARGIN)
        return cls(lefts, tops, (cell_width, cell_height), size)


def _cell(left: int, top: int, layout: _Layout) -> tuple[int, int, int, int]:
    return left, top, left + layout.cell[0] - 1, top + layout.cell[1] - 1


def _lines(row: _Row) -> tuple[str, str]:
    """The label of a row: a bold line and a faint one. A mode string is cut before its four numbers."""
    if not row.mode:
        return "ground truth", f"video {row.video}"
    fields = row.mode.rsplit("_", 4)
    return ("_".join(fields[:-4]), "_".join(fields[-4:])) if len(fields) == 5 else (row.mode, "")


def _label_width(row: _Row) -> int:
    bold, faint = _lines(row)
    return round(max(font(13, bold=True).getlength(bold), font(12).getlength(faint)))


def _draw_label(draw: ImageDraw.ImageDraw, row: _Row, top: int, layout: _Layout) -> None:
    bold, faint = _lines(row)
    middle = top + layout.cell[1] // 2
    right = layout.lefts[0] - 10
    if faint:
        draw.text((right, middle - 8), bold, fill=INK, font=font(13, bold=True), anchor="rm")
        draw.text((right, middle + 9), faint, fill=FAINT, font=font(12), anchor="rm")
    else:
        draw.text((right, middle), bold, fill=INK, font=font(13, bold=True), anchor="rm")


def _draw_header(draw: ImageDraw.ImageDraw, layout: _Layout, shown: list[int], kinds: list[str]) -> None:
    """Frame numbers over the columns, and over those lines with the name of the kind of frames under them."""
    numbers = layout.tops[0] - 6
    draw.text((layout.lefts[0] - 10, numbers), "frame", fill=FAINT, font=font(12), anchor="rb")
    for left, index in zip(layout.lefts, shown, strict=True):
        centre = left + layout.cell[0] // 2
        draw.text((centre, numbers), str(index), fill=INK, font=font(12), anchor="mb")
    for kind, group in groupby(zip(kinds, layout.lefts, strict=True), lambda column: column[0]):
        colour = GENERATED if kind == "generated" else OBSERVED
        _draw_bracket(draw, layout, [left for _, left in group], kind, colour)


def _draw_bracket(
    draw: ImageDraw.ImageDraw, layout: _Layout, lefts: list[int], name: str, colour: Colour
) -> None:
    left, right = lefts[0], lefts[-1] + layout.cell[0] - 1
    line = _MARGIN + 20
    draw.rectangle((left, line, right, line + 1), fill=colour)
    draw.text((left, line - 4), name, fill=INK, font=font(12), anchor="ls")
