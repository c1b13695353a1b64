"""Finding the balls of `bouncy_balls` in frames: how many there are, and where.

A frame x in [0, 1] is described by discs: each is a ball as the dataset draws it, f_c(p) = exp(-(|p - c|^2 / r^2)^4)
around its centre c. One disc after another is taken away from the frame, each where it lowers the squared error most
(matching pursuit, Mallat and Zhang 1993):

    gain(c) = |x|^2 - |x - f_c|^2 = 2 <f_c, x> - |f_c|^2,    over the pixels that no curtain hides

as long as the gain is more than a quarter of |f|^2, that of a whole ball. So a ball counts that is brighter than 5/8,
or of which more than a quarter can be seen; a blurred one counts, a faint shadow does not. Gains of all centres are one
convolution; between pixels the best centre is the top of the parabola through the gains beside it.

Units are those of the box, which is 10 wide.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, UInt8
from scipy.signal import fftconvolve

from viddiff.data.bouncy_balls import BOX, RADIUS
from viddiff.data.bouncy_balls_curtain import CURTAIN, GREY
from viddiff.errors import InputError
from viddiff.metrics.base import frame_chunks

LEAST_GAIN = 0.25
MOST = 8
TOLERANCE = 0.125
VALUES_PER_CHUNK = 2**20


def find_discs(
    frames: UInt8[np.ndarray, "T C H W"], hidden: Bool[np.ndarray, "T H W"] | None = None
) -> Float64[np.ndarray, "T 8 2"]:
    """The centres (x, y) of the discs of each frame, in the order in which they are found; NaN where there are no more.

    Those of a frame depend on that frame alone. Of more than 8 discs the first 8. hidden: pixels that tell nothing.

    Raises `InputError` for frames that are not square.
    """
    length, channels, height, width = frames.shape
    if height != width:
        raise InputError(f"frames are {height}x{width}, must be square")
    centres = np.full((length, MOST, 2), np.nan)
    for chunk in frame_chunks(length, channels * height * width, VALUES_PER_CHUNK):
        seen = np.ones((1, height, width)) if hidden is None else ~hidden[chunk]
        _find(
            frames[chunk].mean(1, dtype=np.float32) / np.float32(255), seen.astype(np.float32), centres[chunk]
        )
    return centres


def has_curtain(frames: UInt8[np.ndarray, "T C H W"]) -> Bool[np.ndarray, " T"]:
    """Whether the curtain of `bouncy_balls_curtain` hangs in each frame.

    It does if that part of the frame is grey all over, give or take an eighth of the range on the average.
    """
    length, channels, height, width = frames.shape
    found = np.empty(length, bool)
    for chunk in frame_chunks(length, channels * height * width, VALUES_PER_CHUNK):
        part = frames[chunk, ..., _columns(width)] / np.float32(255)
        found[chunk] = np.abs(part - np.float32(GREY)).mean((1, 2, 3)) < TOLERANCE
    return found


def behind_curtain(frames: UInt8[np.ndarray, "T C H W"]) -> Bool[np.ndarray, "T H W"]:
    """The pixels of each frame that the curtain hides, if it hangs there."""
    length, _, height, width = frames.shape
    hidden = np.zeros((length, height, width), bool)
    hidden[has_curtain(frames), :, _columns(width)] = True
    return hidden


def _columns(width: int) -> slice:
    """Those that the curtain hides."""
    return slice(math.ceil(width * CURTAIN / BOX - 0.5))


def count_discs(centres: Float64[np.ndarray, "T 8 2"]) -> Int[np.ndarray, " T"]:
    """How many discs each frame has; 8 stands for 8 or more."""
    return np.isfinite(centres[..., 0]).sum(1)


def _find(
    rest: Float32[np.ndarray, "T H W"],
    seen: Float32[np.ndarray, "S H W"],
    centres: Float64[np.ndarray, "T 8 2"],
) -> None:
    """Fill in the centres of the discs of frames, of which `rest` is what is left when they are taken away.

    seen: 1 where a pixel tells something, of each frame or of all.
    """
    size = rest.shape[-1]
    reach = math.ceil(RADIUS * size / BOX) + 2
    around = np.arange(-reach, reach + 1)
    kernel = _disc(around, around, np.zeros((1, 2)), size)
    rest = rest * seen
    energy = np.broadcast_to(fftconvolve(seen, kernel**2, "same", axes=(1, 2)), rest.shape)
    seen = np.broadcast_to(seen, rest.shape)
    least = LEAST_GAIN * (kernel**2).sum()
    left = np.arange(len(rest))
    pixels = np.arange(size)
    for number in range(MOST):
        gain = 2 * fftconvolve(rest[left], kernel, "same", axes=(1, 2)) - energy[left]
        best = gain.reshape(len(left), -1).argmax(1)
        y, x = np.unravel_index(best, gain.shape[1:])
        found = gain[np.arange(len(left)), y, x] > least
        left, gain, y, x = left[found], gain[found], y[found], x[found]
        if not len(left):
            return
        place = np.stack([x + _top(gain, y, x, 0, 1), y + _top(gain, y, x, 1, 0)], 1)
        centres[left, number] = (place + 0.5) * (BOX / size)
        rest[left] -= _disc(pixels, pixels, place, size) * seen[left]


def _disc(
    x: Int[np.ndarray, " W"], y: Int[np.ndarray, " H"], centre: Float64[np.ndarray, "n 2"], size: int
) -> Float32[np.ndarray, "n H W"]:
    """A ball at each centre (x, y) in pixels, as the dataset draws it."""
    radius = RADIUS * size / BOX
    across = np.square((x - centre[:, :1]) / radius).astype(np.float32)
    down = np.square((y - centre[:, 1:]) / radius).astype(np.float32)
    return np.exp(-np.square(np.square(across[:, None, :] + down[:, :, None])))


def _top(
    gain: Float32[np.ndarray, "n H W"],
    y: Int[np.ndarray, " n"],
    x: Int[np.ndarray, " n"],
    down: int,
    across: int,
) -> Float32[np.ndarray, " n"]:
    """How far the top of the parabola through the gains of a pixel and its two neighbours is, half a pixel at most."""
    height, width = gain.shape[1:]
    every = np.arange(len(gain))
    before = gain[every, np.maximum(y - down, 0), np.maximum(x - across, 0)]
    after = gain[every, np.minimum(y + down, height - 1), np.minimum(x + across, width - 1)]
    bend = 2 * gain[every, y, x] - before - after
    return np.where(bend > 0, (after - before) / (2 * np.where(bend > 0, bend, 1)), 0).clip(-0.5, 0.5)
