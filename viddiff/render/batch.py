"""A batch of training windows: which frames are observed, and what the network sees of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int
from PIL import Image, ImageDraw
from torch import Tensor

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
from viddiff.video import to_uint8
from viddiff.window import Window, WindowFrames

WINDOWS = 6  # of a batch that are shown
_BORDER, _GAP, _MARGIN, _LABEL, _HEADER = 3, 3, 14, 90, 40


def draw_batch(
    path: Path | str,
    window: Window,
    t: Int[Tensor, "B ..."],
    seen: WindowFrames,
) -> None:
    """Write a PNG of the first windows of a batch: their frames, and below what the network sees of them.

    t: the diffusion step of each, or of each of its frames `[B, K]`; seen: what it sees of each frame, noise included.
    Observed frames have an orange border, latent ones a blue one, padding a grey one; the number of each frame in its
    crop stands above it, and its step if it has one of its own. Raises `OutputError` if the picture cannot be written.
    """
    shown = min(WINDOWS, len(window.frames))
    height, width = window.frames.shape[-2:]
    scale = fitting_scale(height, width, 64)
    cell_w, cell_h = (side * scale + 2 * _BORDER for side in (width, height))
    frames = window.frames.shape[1]
    block = _HEADER + 2 * (cell_h + _GAP)
    size = (2 * _MARGIN + _LABEL + frames * (cell_w + _GAP), 2 * _MARGIN + shown * block)
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    draw.text(
        (_MARGIN, 8), "orange: observed, blue: latent; above each its number in the crop", FAINT, font(11)
    )
    for row in range(shown):
        top = _MARGIN + row * block
        draw.text((_MARGIN, top + _HEADER), "frames", INK, font(12))
        below = top + _HEADER + cell_h + _GAP
        at = "steps above" if t.ndim > 1 else f"step {int(t[row])}"
        draw.text((_MARGIN, below), f"as seen at\n{at}", INK, font(12))
        pictures = [as_rgb(to_uint8(part[row]).numpy(), "a batch") for part in (window.frames, seen)]
        for place in range(frames):
            left = _MARGIN + _LABEL + place * (cell_w + _GAP)
            kind = (
                "observed" if window.observed[row, place] else "latent" if window.latent[row, place] else ""
            )
            colour = {"observed": OBSERVED, "latent": GENERATED, "": EMPTY}[kind]
            name = str(int(window.frame_index[row, place])) if kind else "padding"
            draw.text((left, top + 22), name, INK if kind else FAINT, font(11))
            if t.ndim > 1 and kind == "latent":
                draw.text((left, top + 8), f"step {int(t[row, place])}", INK, font(11))
            for images, y in zip(pictures, (top + _HEADER, below), strict=True):
                draw.rectangle((left, y, left + cell_w - 1, y + cell_h - 1), fill=colour)
                picture = Image.fromarray(np.ascontiguousarray(enlarge(images[place], scale)))
                page.paste(picture, (left + _BORDER, y + _BORDER))
    with atomic_path(path) as temporary:
        page.save(temporary, format="PNG", optimize=True)
