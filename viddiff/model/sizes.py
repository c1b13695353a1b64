"""Sizes of frames, and the network's levels for them.

The original knows four sizes, each with its number of levels and their widths. Any other has those of the largest
known one that its short side reaches, or of the smallest: 96x128 those of 64, 24x40 those of 32. Each level but the
last halves height and width, which must go without remainder. Resolutions with attention are those of the known size:
`16,8` for 96x128 are the third and the fourth level, as for 64, there 24x32 and 12x16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viddiff.errors import InputError

CHANNEL_MULT = {256: (1, 1, 2, 2, 4, 4), 128: (1, 1, 2, 3, 4), 64: (1, 2, 3, 4), 32: (1, 2, 2, 2)}
LARGEST = 4096  # pixels of a side: no network of this family has more
WIDTH = "image_width"
"""The key that a flat config has beside the original's, if frames are not square: `image_size` is their height."""


def frame_size(config: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of a flat config's frames. Raises `InputError` if its network cannot have them."""
    height = config["image_size"]
    width = config.get(WIDTH, height)
    for key, side in (("image_size", height), (WIDTH, width)):
        if type(side) is not int or not 1 <= side <= LARGEST:
            raise InputError(f"config key {key} is {side!r:.60}; must be a whole number, 1 to {LARGEST}")
    halvings = len(CHANNEL_MULT[known_size(height, width)]) - 1
    if height % 2**halvings or width % 2**halvings:
        raise InputError(
            f"config key image_size is {height if height == width else [height, width]}; the network halves it "
            f"{halvings} times, so height and width must be multiples of {2**halvings}"
        )
    return height, width


def known_size(height: int, width: int) -> int:
    """The known size whose levels frames have."""
    return max((size for size in CHANNEL_MULT if size <= min(height, width)), default=min(CHANNEL_MULT))
