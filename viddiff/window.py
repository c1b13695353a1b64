"""What the network sees at once: a few frames of each video of a batch, at any frame indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

WindowFrames = Float[Tensor, "B K C H W"]
Noise = Callable[[], WindowFrames]  # fresh standard normal noise at every call


@dataclass(frozen=True)
class Window:
    """A batch of windows of K frames.

    A frame is observed (clean, given to the network), latent (to be generated), or neither: padding.

    frames: clean frames in [-1, 1]. Where a frame is not observed the network does not see its content.
    frame_index: the frame's position in its video.
    """

    frames: WindowFrames
    frame_index: Int[Tensor, "B K"]
    observed: Bool[Tensor, "B K"]
    latent: Bool[Tensor, "B K"]


@dataclass(frozen=True)
class Walk:
    """The way of each frame of a batch of windows from a noise level to a lower one: levels `levels` (noise) to 0.

    starts, ends: for each window, of its frames in their order; 0 and 0 of frames that are not latent.
    """

    levels: int
    starts: Sequence[Sequence[int]]
    ends: Sequence[Sequence[int]]


StepNoise = Callable[[int], WindowFrames]
"""Standard normal noise for all frames of windows, by the number of the evaluation that it follows."""
