"""What a metric is: a function of one test video and its samples that gives one number per sample and frame.

A new metric is one function with the decorator `@metric`, in a file of this folder. See `psnr.py`, the shortest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from viddiff.errors import InputError
from viddiff.registry import Registry


@dataclass(frozen=True)
class MetricSettings:
    """What the metrics may need besides the frames.

    `device`: where networks run.
    `ssim_data_range`: 1 (right for frames in [0, 1]) or 2 (what the original code used).
    `alexnet`: the file made by `viddiff.metrics.weights.fetch_alexnet`, `None` for the machine's own; only LPIPS
    reads it.
    """

    device: str = "cpu"
    ssim_data_range: float = 1.0
    alexnet: Path | None = None


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
    """

    compute: Callable[[Samples, Truth, MetricSettings], Values]
    protocol: Callable[[MetricSettings], dict[str, Any]]
    higher_is_better: bool
    unit: str = ""
    largest_finite: Callable[[int, int], float] | None = None


metric = Registry("metric", "viddiff.metrics", Metric)


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
