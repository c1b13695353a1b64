"""A dataset of the user's, as the configuration describes it. Planning reads it, so it needs no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from viddiff.errors import InputError

Fit = Literal["crop", "pad"]
Interpolation = Literal["bilinear", "bicubic", "area", "nearest"]


@dataclass(frozen=True)
class Intake:
    """What happens to a stored video on its way in; the defaults leave its frames as they are, but for their size.

    stride: every n-th frame counts; frame_rate: frames per second, each the nearest by its time stamp, `None`: as
    stored; fit: what of a frame of other proportions is kept; interpolation: how it is resized.
    """

    stride: int = 1
    frame_rate: float | None = None
    fit: Fit = "crop"
    interpolation: Interpolation = "bilinear"

    def changes(self) -> dict[str, Any]:
        """The settings that are not the defaults."""
        return {
            item.name: value for item in fields(self) if (value := getattr(self, item.name)) != item.default
        }


AS_STORED = Intake()


@dataclass(frozen=True)
class DatasetSettings:
    """kind: a known dataset whose files are alike; path: the folder, below the data root unless absolute.

    image_size: height and width of the frames, or both; length: frames of a video; `None`: as those of its kind.
    stride, frame_rate, fit, interpolation: see `Intake`; `None`: its defaults. Raises `InputError` for values that
    cannot be.
    """

    kind: str
    path: str
    image_size: int | Sequence[int] | None = None
    length: int | None = None
    stride: int | None = None
    frame_rate: float | None = None
    fit: str | None = None
    interpolation: str | None = None

    def __post_init__(self) -> None:
        for name in ("length", "stride"):
            value = getattr(self, name)
            self._check(name, value, value is None or _positive(value), "a positive whole number")
        if self.image_size is not None:
            sides = (self.image_size,) if isinstance(self.image_size, int) else self.image_size
            whole = isinstance(sides, Sequence) and not isinstance(sides, str) and all(map(_positive, sides))
            fine = whole and len(sides) == (1 if isinstance(self.image_size, int) else 2)
            self._check(
                "image_size", self.image_size, fine, "a positive whole number, or height and width: [48, 80]"
            )
            if not isinstance(self.image_size, int):
                object.__setattr__(self, "image_size", tuple(self.image_size))  # settings can be hashed
        rate = self.frame_rate
        number = isinstance(rate, int | float) and not isinstance(rate, bool)
        fine = rate is None or (number and math.isfinite(rate) and rate > 0)
        self._check("frame_rate", rate, fine, "a positive number")
        for name, allowed in (("fit", get_args(Fit)), ("interpolation", get_args(Interpolation))):
            value = getattr(self, name)
            self._check(name, value, value is None or value in allowed, " or ".join(allowed))
        if self.stride is not None and self.frame_rate is not None:
            raise InputError(f"dataset {self.path}: give stride or frame_rate, not both")

    @property
    def intake(self) -> dict[str, Any]:
        """The settings of `Intake` that are given."""
        names = ("stride", "frame_rate", "fit", "interpolation")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _check(self, name: str, value: object, fine: bool, wanted: str) -> None:
        if not fine:
            raise InputError(f"dataset {self.path}: {name} is {value!r}, must be {wanted}")


def too_short(file: str | Path, frames: int, needed: int) -> str | None:
    """A line on a video that has fewer frames."""
    return f"{file}: {frames} frames, {needed} are needed" if frames < needed else None


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def height_width(image_size: int | Sequence[int]) -> tuple[int, int]:
    """Both sides of frames whose `image_size` is a number, or height and width."""
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    return height, width


def plain_size(size: tuple[int, int]) -> int | list[int]:
    """A height and width as a user writes it: one number if they are equal."""
    return size[0] if size[0] == size[1] else list(size)
