"""An image in few colours, of small error everywhere: a small bright spot keeps its colour.

The colours are chosen by farthest-first traversal (Gonzalez 1985): the next is the one farthest from all chosen before,
so that the worst distance is at most twice the smallest possible. Each becomes the mean of the pixels nearest to it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Integer, UInt8

MOST_POINTS = (
    4096  # colours told apart; of more, those are taken together that agree in 6 bits of each channel
)
_SIX_BITS = 0xFCFCFC


def to_palette(
    image: UInt8[np.ndarray, "H W 3"], most: int
) -> tuple[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "n 3"]]:
    """The palette entry of each pixel, and the palette: exact if the image has at most `most` (1 to 256) colours."""
    packed = image.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    values, entries, pixels = np.unique(packed, return_inverse=True, return_counts=True)
    palette = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.uint8)
    if len(palette) > most:
        keys = values & _SIX_BITS if len(values) > MOST_POINTS else values
        point = np.unique(keys, return_inverse=True)[1]
        chosen = _farthest_first(_means(palette, pixels, point).round(), pixels, point, most)
        palette, entries = _means(palette, pixels, chosen).round().astype(np.uint8), chosen[entries]
    return entries.reshape(image.shape[:2]).astype(np.uint8), palette


def _means(
    colours: UInt8[np.ndarray, "n 3"], pixels: Integer[np.ndarray, " n"], group: Integer[np.ndarray, " n"]
) -> Float64[np.ndarray, "m 3"]:
    """The mean colour of the pixels of each group."""
    sums = np.stack([np.bincount(group, pixels * channel) for channel in colours.T], axis=1)
    return sums / np.bincount(group, pixels)[:, None]


def _farthest_first(
    points: Float64[np.ndarray, "m 3"],
    pixels: Integer[np.ndarray, " n"],
    point: Integer[np.ndarray, " n"],
    most: int,
) -> Integer[np.ndarray, " n"]:
    """For each colour the number of the chosen point nearest to its own. The first is that of the most pixels.

    Points are whole numbers, so that distances are exact.
    """
    channels = points.T.astype(np.float32, order="C")
    distance, nearest = np.full(len(points), np.inf, np.float32), np.zeros(len(points), np.intp)
    farthest = int(np.bincount(point, pixels).argmax())
    for number in range(min(most, len(points))):
        difference = channels - channels[:, farthest, None]
        new = np.einsum("cm,cm->m", difference, difference)
        nearest[new < distance] = number
        np.minimum(distance, new, out=distance)
        farthest = int(distance.argmax())
    return nearest[point]
