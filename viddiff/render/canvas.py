"""What the pictures share: colours (Okabe and Ito's, safe for the colour-blind), enlarging, text, figures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Shaped, UInt8
from matplotlib.figure import Figure
from PIL import ImageFont

from viddiff.errors import InputError
from viddiff.files.write import atomic_path

Colour = tuple[int, int, int]

OBSERVED: Colour = (230, 159, 0)
GENERATED: Colour = (0, 114, 178)
CHOSEN: Colour = (0, 158, 115)
BY_SECOND: Colour = (204, 121, 167)
KNOWN: Colour = (176, 182, 190)
EMPTY: Colour = (238, 239, 241)
PAPER: Colour = (255, 255, 255)
INK: Colour = (40, 42, 46)
FAINT: Colour = (125, 129, 135)

DPI = 100


def as_rgb(frames: np.ndarray, name: str) -> UInt8[np.ndarray, "T H W 3"]:
    """Frames with the channels last, grey ones repeated to three; `name` says in errors whose they are.

    Raises `InputError` unless frames are uint8 `[T, C, H, W]` with T > 0 and C 1 or 3.
    """
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1] not in (1, 3) or 0 in frames.shape:
        raise InputError(
            f"{name}: frames are {frames.dtype} {list(frames.shape)}; allowed is uint8 [T, C, H, W], C 1 or 3"
        )
    return np.broadcast_to(frames, (len(frames), 3, *frames.shape[2:])).transpose(0, 2, 3, 1)


def fitting_scale(height: int, width: int, size: int) -> int:
    """The integer factor, at least 1, that brings the longer side of a frame nearest to `size` pixels."""
    return max(1, round(size / max(height, width)))


def enlarge(image: Shaped[np.ndarray, "H W ..."], scale: int) -> Shaped[np.ndarray, "scaled_H scaled_W ..."]:
    """Enlarge an image by an integer factor: each pixel becomes a square."""
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, at `size` pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


def web_colour(colour: Colour) -> str:
    """`#rrggbb`, as matplotlib reads it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def new_figure(width: int, height: int) -> Figure:
    """An empty figure of `width` × `height` pixels, outside pyplot's list of figures."""
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=web_colour(PAPER))


def save_figure(path: Path | str, figure: Figure) -> None:
    """Write the figure as PNG, atomically and without the name of the program that made it."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
