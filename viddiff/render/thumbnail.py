"""A thumbnail: one frame of a video, as the video's animation shows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from viddiff.files.write import atomic_path
from viddiff.render.canvas import PAPER, as_rgb, enlarge
from viddiff.render.pages import MARKS, Clip, fitting_board

_QUALITY = 88


def write_thumbnail(
    path: Path | str, frames: np.ndarray, observed: Sequence[bool], index: int
) -> tuple[int, int]:
    """Write frame `index` as a JPEG that lies on the MP4 of `write_mp4` pixel by pixel. Returns its width and height.

    `frames` are uint8 `[T, C, H, W]`, C 1 or 3; `observed` are T booleans. Raises `InputError` for others;
    `OutputError` if it cannot be written.
    """
    board = fitting_board([[Clip.of(frames, observed, str(path))]], None)
    height, width = board.shape
    image = np.full((height + height % 2, width + width % 2, 3), PAPER, dtype=np.uint8)
    image[:height, :width] = MARKS[board.page(index)]
    image[board.places[0]] = enlarge(as_rgb(frames[index : index + 1], str(path))[0], board.scale)
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="JPEG", quality=_QUALITY, subsampling=0)
    return image.shape[1], image.shape[0]
