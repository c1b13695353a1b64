"""A dataset of the user's, as the configuration describes it. Planning reads it, so it needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from viddiff.errors import InputError


@dataclass(frozen=True)
class DatasetSettings:
    """kind: a known dataset whose files are alike; path: the folder, below the data root unless absolute.

    image_size: height and width of the frames; length: frames of a video; `None`: as those of its kind. Raises
    `InputError` for other numbers than positive whole ones.
    """

    kind: str
    path: str
    image_size: int | None = None
    length: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("image_size", self.image_size), ("length", self.length)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InputError(f"dataset {self.path}: {name} is {value!r}, must be a positive whole number")
