"""What a metric is. There are two kinds, each one function with a decorator in a file of this folder.

`@metric`: a function of one test video and its samples that gives a number per sample and frame. See `psnr.py`, the
shortest.
`@set_metric`: a function of all test videos and a completion of each, that gives one number. It sees a row of numbers
of each video, which a function with the decorator `@descriptor` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float64, UInt8

from viddiff.errors import InputError
from viddiff.metrics.settings import MetricSettings
from viddiff.registry import Registry

Samples = UInt8[np.ndarray, "N T C H W"]
Truth = UInt8[np.ndarray, "T C H W"]
Values = Float64[np.ndarray, "N T"]


@dataclass(frozen=True)
class Metric:
    """A metric.

    `compute(samples [N, T, C, H, W], truth [T, C, H, W], settings)`: uint8 frames to float64 `[N, T]`. The
    value of a frame depends on that frame alone.
    `protocol(settings)`: everything else that the numbers depend on, as JSON values.
    `largest_finite(height, width)`: what an infinite value counts as in means, for metrics that can be
    infinite.
    `higher_is_better`: None for what means something only beside another metric.
    `joint`: the values are of all samples of a video together, `[1, T]`, and need at least two of them.
    `datasets`: the kinds of dataset that it is defined for; all if none is named.
    `meaning`: for a reader of the page, in a sentence or two.
    """

    compute: Callable[[Samples, Truth, MetricSettings], Values]
    protocol: Callable[[MetricSettings], dict[str, Any]]
    higher_is_better: bool | None
    unit: str = ""
    largest_finite: Callable[[int, int], float] | None = None
    joint: bool = False
    datasets: tuple[str, ...] = ()
    meaning: str = ""


metric = Registry("metric", "viddiff.metrics", Metric)

Videos = UInt8[np.ndarray, "B T C H W"]
Rows = Float[np.ndarray, "V D"]
TrueRows = Float[np.ndarray, "V E"]  # as long as those of completions, or shorter: see `Descriptor.beyond`


@dataclass(frozen=True)
class Facts:
    """What a metric of sets may know of the completions besides their rows.

    `obs_length`: leading frames that were given. `stage_of`: for each frame the number of the stage of the plan that
    made it last, -1 for a given one; empty if no plan is known. `first`: the first frame that the rows depend on.
    `ddof`: 1 for covariances over N - 1, 0 for those over N. `goals`: later frames that were given.
    """

    obs_length: int
    stage_of: tuple[int, ...] = ()
    first: int = 0
    ddof: int = 1
    goals: tuple[int, ...] = ()


@dataclass(frozen=True)
class Descriptor:
    """What metrics of sets need of one video: a row of D numbers.

    `compute(videos [B, T, C, H, W], obs_length, settings)`: uint8 videos, all of their frames, to `[B, D]`. A row
    depends on its video alone.
    `protocol(settings)`: everything else that the numbers depend on, as JSON values.
    `kept`: whether rows take so long that they are kept by content.
    `first(obs_length, settings)`: the first frame that a row depends on: videos that agree from there on have one row.
    `fewest_frames`: of a video. `beyond`: whether a completion may go on when its true video has ended, because metrics
    of these rows compare no frame with the true one at its place.
    """

    compute: Callable[[Videos, int, MetricSettings], Rows]
    protocol: Callable[[MetricSettings], dict[str, Any]]
    kept: bool = False
    first: Callable[[int, MetricSettings], int] = lambda obs_length, settings: 0
    fewest_frames: int = 1
    beyond: bool = False


descriptor = Registry("descriptor", "viddiff.metrics", Descriptor)


@dataclass(frozen=True)
class SetMetric:
    """A metric of sets of videos.

    `compute(made [V, D], truth [V, D], facts)`: rows of the V completions of one sample index, and of their V true
    videos in the same order, to a number. Raises `InputError` if it is not defined for them: then this is recorded.
    `protocol(settings)`: everything else that the number depends on but for the descriptor, as JSON values.
    `better`: whether higher or lower values are better, or those near the value of the truth itself,
    `compute(truth, truth, facts)`.
    `curve(made, truth, facts)`: the same resolved along an axis, as the positions and a value at each; `axis` is what
    the positions are. `fewest_videos`: fewer are an error. `biased_below`: with fewer videos a value is mostly bias,
    and a warning says so. `floor`: whether a value means something only beside that of other true videos.
    `whole_truth`: the truth's rows give but a threshold, which stays that of all videos when the jackknife leaves out
    completions. `datasets`: the kinds of dataset that it is defined for; all if none is named. `meaning`: for a reader
    of the page, in a sentence or two.
    """

    compute: Callable[[Rows, Rows, Facts], float]
    descriptor: str
    protocol: Callable[[MetricSettings], dict[str, Any]]
    better: Literal["higher", "lower", "truth"]
    unit: str = ""
    curve: Callable[[Rows, Rows, Facts], tuple[list[float], list[float]]] | None = None
    axis: str = ""
    fewest_videos: int = 1
    biased_below: int = 0
    floor: bool = False
    whole_truth: bool = False
    datasets: tuple[str, ...] = ()
    meaning: str = ""


set_metric = Registry("set_metric", "viddiff.metrics", SetMetric)


def check_size(truth: Truth, smallest: int) -> None:
    """Raise `InputError` unless frames are at least `smallest` pixels high and wide."""
    if min(truth.shape[-2:]) < smallest:
        height, width = truth.shape[-2:]
        raise InputError(f"frames are {height}x{width}; this metric needs at least {smallest}x{smallest}")


def frame_chunks(count: int, values_per_frame: int, values_per_chunk: int) -> Iterator[slice]:
    """Slices that cover `count` frames, each of at most `values_per_chunk` values (or one frame): bounded
    memory.
    """
    step = max(1, values_per_chunk // values_per_frame)
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))
