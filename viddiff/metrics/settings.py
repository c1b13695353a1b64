"""What metrics may need besides the frames. Planning reads it too: nothing here loads NumPy or torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from viddiff.errors import InputError

DISTANCES = ("fd", "kd")
"""What comes before the name of an extractor in the names of its metrics: `fd-<name>`, `kd-<name>`."""


DDOF = {"N-1": 1, "N": 0}
"""By what sums of squares are divided by, what N is less."""


def is_of_network(metric: str) -> bool:
    """Whether a metric is the distance of an extractor, by its name."""
    return metric.startswith(tuple(f"{distance}-" for distance in DISTANCES))


_PROTOCOL = {"resize": ("original", "half-pixel"), "frames": ("all", "generated"), "covariance": ("N-1", "N")}


@dataclass(frozen=True)
class FvdSettings:
    """The protocol of FVD and its kin. The defaults are the original code's.

    `weights`: a file of the user's, instead of the machine's weights: a state dict with the published names, or a
    TorchScript network, which is a program.
    `resize`: to 224x224, bilinear. `original`: as TensorFlow 1 does, source = destination * in / out; `half-pixel`:
    source = (destination + 1/2) * in / out - 1/2.
    `frames`: which frames the network sees, `all` or the `generated` ones, those from `obs_length` on.
    `covariance`: what sums of squares are divided by, `N-1` or `N`.

    Raises `InputError` for other values.
    """

    weights: Path | None = None
    resize: Literal["original", "half-pixel"] = "original"
    frames: Literal["all", "generated"] = "all"
    covariance: Literal["N-1", "N"] = "N-1"

    def __post_init__(self) -> None:
        for part, allowed in _PROTOCOL.items():
            if (value := getattr(self, part)) not in allowed:
                raise InputError(f"fvd {part} is {value!r:.60}; allowed: {', '.join(allowed)}")

    @property
    def ddof(self) -> int:
        """1 for covariances over N - 1, 0 for those over N."""
        return DDOF[self.covariance]


@dataclass(frozen=True)
class Extractor:
    """A network of the user's that gives a row of numbers of a clip, in a TorchScript file, which is a program.

    `size`: height and width of its frames; videos are resized to it (bilinear, half-pixel). `frames`: of a clip; a
    longer video is cut into consecutive clips, whose rows are averaged, and what is left at its end counts not.
    `range`: what black and white are. `layout`: the order of the clip's axes.
    """

    file: Path
    size: int
    frames: int
    range: tuple[float, float] = (-1.0, 1.0)
    layout: Literal["BCTHW", "BTCHW"] = "BCTHW"


def extractor_metrics(extractors: Iterable[str]) -> dict[str, str]:
    """The metrics that extractors of these names give, and which of them each is of."""
    return {f"{distance}-{name}": name for name in extractors for distance in DISTANCES}


@dataclass(frozen=True)
class MetricSettings:
    """All of it.

    `device`: where networks run.
    `ssim_data_range`: 1 (right for frames in [0, 1]) or 2 (what the original code used).
    `alexnet`: the file made by `viddiff.metrics.weights.fetch_alexnet`, `None` for the machine's own; only LPIPS
    reads it.
    `i3d`: the file made by `viddiff.metrics.i3d_weights.fetch_i3d`, `None` for the machine's own; FVD and its kin read
    it, unless `fvd.weights` names another.
    `extractors`: networks by name. `fd-<name>` and `kd-<name>` are metrics, `<name>` is a descriptor.
    """

    device: str = "cpu"
    ssim_data_range: float = 1.0
    alexnet: Path | None = None
    i3d: Path | None = None
    fvd: FvdSettings = FvdSettings()
    extractors: Mapping[str, Extractor] = field(default_factory=dict)
