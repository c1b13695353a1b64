"""The two ranges of pixel values and the only conversions between them.

On disk: uint8, 0..255. In the network: float32 in [-1, 1].
Frames are `[..., C, H, W]`.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Video = UInt8[np.ndarray, "T C H W"]


def to_model(frames: UInt8[Tensor, " ..."] | np.ndarray) -> Float[Tensor, " ..."]:
    """uint8 to the network's range: `v / 127.5 - 1`, in [-1, 1]."""
    return torch.as_tensor(frames).to(torch.float32) / 127.5 - 1.0


def to_uint8(frames: Float[Tensor, " ..."]) -> UInt8[Tensor, " ..."]:
    """The network's range to uint8, rounded to the nearest level; values outside [-1, 1] are clipped.

    `to_uint8(to_model(v)) == v` for every level v.
    """
    return ((frames.clamp(-1.0, 1.0) + 1.0) * 127.5 + 0.5).floor().to(torch.uint8)
