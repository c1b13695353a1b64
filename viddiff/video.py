"""The two ranges of pixel values and the only conversions between them.

On disk: uint8, 0..255. In the network: float32 in [-1, 1].
Frames are `[..., C, H, W]`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from viddiff.errors import InputError

Video = UInt8[np.ndarray, "T C H W"]


def to_model(frames: UInt8[Tensor, " ..."] | np.ndarray) -> Float[Tensor, " ..."]:
    """uint8 to the network's range: `v / 127.5 - 1`, in [-1, 1]."""
    return torch.as_tensor(frames).to(torch.float32) / 127.5 - 1.0


def to_model_on(frames: UInt8[Tensor, " ..."], device: torch.device) -> Float[Tensor, " ..."]:
    """`to_model` on a device, which gets a byte for each value instead of four.

    The values are the same to the last bit: a GPU would multiply by 1 / 127.5, so it looks them up.
    """
    return to_model(frames) if device.type == "cpu" else looked_up(frames.to(device))


def looked_up(frames: UInt8[Tensor, " ..."]) -> Float[Tensor, " ..."]:
    """`to_model` as the CPU computes it, on the frames' device."""
    table = to_model(torch.arange(256, dtype=torch.uint8)).to(frames.device)
    return table.index_select(0, frames.flatten().int()).view(frames.shape)


def to_uint8(frames: Float[Tensor, " ..."]) -> UInt8[Tensor, " ..."]:
    """The network's range to uint8, rounded to the nearest level; values outside [-1, 1] are clipped.

    `to_uint8(to_model(v)) == v` for every level v.
    """
    return ((frames.clamp(-1.0, 1.0) + 1.0) * 127.5 + 0.5).floor().to(torch.uint8)


def checked_videos(
    videos: Any, length: int, size: tuple[int, int], wanted_by: str
) -> UInt8[Tensor, "B T C H W"]:
    """The first frames of videos that a user hands in, as many as `length`, or none. size: height and width.

    Raises `InputError`, which names who wants them so, unless they are uint8 `[B, length or more, 3, H, W]`.
    """
    wanted = f"uint8 [B, {length} or more, 3, {size[0]}, {size[1]}]"
    if not isinstance(videos, np.ndarray | Tensor):
        raise InputError(f"videos are a {type(videos).__name__}, must be an array {wanted}")
    if isinstance(videos, np.ndarray) and min(videos.strides, default=0) < 0:  # as of videos[:, ::-1]
        videos = videos.copy()
    given = torch.as_tensor(videos)
    fits = given.ndim == 5 and given.dtype == torch.uint8 and given.shape[2:] == (3, *size)
    if not fits or len(given) == 0 or given.shape[1] < length:
        raise InputError(f"videos are {videos.dtype} {list(videos.shape)}; {wanted_by} need {wanted}")
    return given[:, :length]
