"""A sample as an animated GIF: enlarged pixels, observed frames in a coloured border, the end plain to see.

Beneath the picture a bar shows how much of the video has passed, and the frame's number. The last frame is
held for a moment and a blank one follows, so that nobody mistakes the jump back to the start for part of the
video. A GIF has 256 colours per frame: frames that need no more (all grey ones of the data) are exact, others
get a palette of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from viddiff.errors import InputError
from viddiff.files.write import atomic_path
from viddiff.render.canvas import (
    EMPTY,
    FAINT,
    GENERATED,
    INK,
    OBSERVED,
    PAPER,
    as_rgb,
    enlarge,
    fitting_scale,
    font,
)

BORDER = 4  # pixels around the picture
MARKS = np.array([PAPER, OBSERVED, GENERATED, EMPTY, INK, FAINT], dtype=np.uint8)
_PAPER, _OBSERVED, _GENERATED, _EMPTY, _INK, _FAINT = range(len(MARKS))
_BAR = 4  # height of the progress bar
_CAPTION = 16  # height of the line of text
_HOLD, _BLANK = 700, 500  # milliseconds that the last frame and the blank one after it are shown


def write_gif(
    path: Path | str,
    frames: np.ndarray,
    observed: int | Sequence[bool],
    *,
    fps: float = 20.0,
    scale: int | None = None,
) -> None:
    """Write a video as a GIF of T + 1 frames, the last of them blank, that repeats for ever.

    `frames` are uint8 `[T, C, H, W]`, C 1 or 3. `observed` is the number of leading frames that are observed, or T
    booleans. `scale` enlarges by an integer factor; left out, the longer side becomes about 128 pixels. The picture
    lies `BORDER` pixels from the left and from the top. GIF counts time in hundredths of a second, so `fps`
    is rounded to that.

    Raises `InputError` for other frames, or parameters that do not fit them; `OutputError` if it cannot be
    written.
    """
    images = as_rgb(frames, str(path))
    length, height, width = images.shape[:3]
    is_observed = _observed_flags(observed, length)
    if not 1.0 <= fps <= 50.0:
        raise InputError(f"fps is {fps}; allowed is 1 to 50")
    if scale is None:
        scale = fitting_scale(height, width, 128)
    if scale < 1:
        raise InputError(f"scale is {scale}; allowed is 1 or more")

    pages = []
    for index, image in enumerate(images):
        picture, colours = _to_palette(image)
        page = _blank_page(height * scale, width * scale, is_observed, passed=index + 1)
        _write_caption(page, f"{index}/{length - 1}", "observed" if is_observed[index] else "generated")
        if is_observed[index]:
            page[: height * scale + 2 * BORDER] = _OBSERVED
        page[BORDER:, BORDER:][: height * scale, : width * scale] = enlarge(picture, scale)
        pages.append(_paletted(page, colours))
    end = _blank_page(height * scale, width * scale, is_observed, passed=length)
    _write_caption(end, "end", "")
    pages.append(_paletted(end, MARKS))

    duration = round(100.0 / fps) * 10
    durations = [duration] * (length - 1) + [max(_HOLD, duration), _BLANK]
    with atomic_path(path) as temporary:
        pages[0].save(
            temporary, format="GIF", save_all=True, append_images=pages[1:], duration=durations, loop=0
        )


def _observed_flags(observed: int | Sequence[bool], length: int) -> list[bool]:
    if isinstance(observed, int):
        if not 0 <= observed <= length:
            raise InputError(f"observed is {observed}; allowed is 0 to {length}, the number of frames")
        return [index < observed for index in range(length)]
    if len(observed) != length:
        raise InputError(f"observed has {len(observed)} entries; allowed is one for each of {length} frames")
    return [bool(flag) for flag in observed]


def _to_palette(
    image: UInt8[np.ndarray, "H W 3"],
) -> tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "n 3"]]:
    """Palette entries of an image's pixels, and the palette: `MARKS`, then at most 250 colours."""
    free = 256 - len(MARKS)
    packed = image.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    values, entries = np.unique(packed, return_inverse=True)
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.uint8)
    if len(colours) > free:
        # Maximum coverage keeps the worst error small: a small bright spot does not lose its colour.
        quantized = Image.fromarray(image).quantize(free, Image.Quantize.MAXCOVERAGE)
        entries = np.asarray(quantized, dtype=np.intp)
        colours = np.asarray((quantized.getpalette() or [])[: 3 * free], dtype=np.uint8).reshape(-1, 3)
    palette = np.concatenate([MARKS, colours])
    return entries.reshape(image.shape[:2]).astype(np.uint8) + np.uint8(len(MARKS)), palette


def _blank_page(height: int, width: int, is_observed: list[bool], passed: int) -> UInt8[np.ndarray, "H W"]:
    """A page without its picture and caption: palette entries, the bar filled for `passed` frames."""
    page = np.full((height + 2 * BORDER + 2 + _BAR + _CAPTION, width + 2 * BORDER), _PAPER, dtype=np.uint8)
    page[BORDER : BORDER + height, BORDER : BORDER + width] = _EMPTY
    frame_of_column = np.arange(width) * len(is_observed) // width
    bar = np.where(np.asarray(is_observed)[frame_of_column], _OBSERVED, _GENERATED)
    top = height + 2 * BORDER + 2
    page[top : top + _BAR, BORDER : BORDER + width] = np.where(frame_of_column < passed, bar, _EMPTY)
    return page


def _write_caption(page: UInt8[np.ndarray, "H W"], number: str, kind: str) -> None:
    """Write the frame's number at the lower left and, where there is room, its kind at the right."""
    height, width = page.shape
    small = font(11)
    line = height - _CAPTION // 2
    right = width - BORDER - round(small.getlength(kind))
    texts = [(BORDER, number, _INK)]
    if right > BORDER + small.getlength(number) + 6:
        texts.append((right, kind, _FAINT))
    for left, text, entry in texts:
        mask = Image.new("1", (width, height))
        ImageDraw.Draw(mask).text((left, line), text, fill=1, font=small, anchor="lm")
        page[np.asarray(mask)] = entry


def _paletted(page: UInt8[np.ndarray, "H W"], colours: UInt8[np.ndarray, "n 3"]) -> Image.Image:
    image = Image.fromarray(page)
    image.putpalette(colours.tobytes())
    return image
