"""A sample as an animated GIF: the pages of `viddiff.render.pages`, the end plain to see.

The last frame is held for a moment and a blank page follows, so that nobody mistakes the jump back to the start for
part of the video. A GIF has 256 colours per frame: frames that need no more (all grey ones of the data) are exact,
others get a palette of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from viddiff.files.write import atomic_path
from viddiff.render.canvas import enlarge
from viddiff.render.pages import FPS, MARKS, Clip, Page, check_fps, fitting_board
from viddiff.render.palette import to_palette

_HOLD, _BLANK = 700, 500  # milliseconds that the last frame and the blank page after it are shown


def write_gif(
    path: Path | str,
    frames: np.ndarray,
    observed: int | Sequence[bool],
    *,
    fps: float = FPS,
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
    clip = Clip.of(frames, observed, str(path))
    check_fps(fps)
    board = fitting_board([[clip]], scale)
    (place,) = board.places

    pages = []
    for index, (image,) in enumerate(board.pictures()):
        picture, colours = to_palette(image, 256 - len(MARKS))
        page = board.page(index)
        page[place] = enlarge(picture + np.uint8(len(MARKS)), board.scale)
        pages.append(_paletted(page, np.concatenate([MARKS, colours])))
    pages.append(_paletted(board.page(None), MARKS))

    duration = round(100.0 / fps) * 10
    durations = [duration] * (clip.length - 1) + [max(_HOLD, duration), _BLANK]
    with atomic_path(path) as temporary:
        pages[0].save(
            temporary, format="GIF", save_all=True, append_images=pages[1:], duration=durations, loop=0
        )


def _paletted(page: Page, colours: UInt8[np.ndarray, "n 3"]) -> Image.Image:
    image = Image.fromarray(page)
    image.putpalette(colours.tobytes())
    return image
