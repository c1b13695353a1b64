"""Measuring arrays: a metric of samples of a video, or of completions of several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from viddiff.device import find_device
from viddiff.errors import InputError, naming
from viddiff.inference.plan import Plan
from viddiff.metrics.base import MetricSettings, SetMetric, Videos
from viddiff.metrics.sets import check_videos
from viddiff.metrics.settings import FvdSettings
from viddiff.metrics.values import (
    check_joint,
    check_values,
    describe_videos,
    facts_for,
    find_metric,
    stages_of,
)


def measure(
    name: str,
    samples: Any,
    truth: Any,
    *,
    plan: Plan | None = None,
    device: str = "auto",
    ssim_data_range: float = 1.0,
    alexnet: Path | None = None,
    i3d: Path | None = None,
    fvd: FvdSettings | None = None,
) -> Float64[np.ndarray, "N T"] | float:
    """A metric of N samples of a video, or of completions of V videos.

    A metric of frames, such as `psnr`: samples uint8 `[N, T, C, H, W]`, truth uint8 `[T, C, H, W]`, without the frames
    that were observed; gives float64 `[N, T]`, or `[1, T]` if it is of all samples together.
    A metric of sets, such as `fvd`: samples and truth uint8 `[V, T, C, H, W]`, a completion of each true video, all
    frames; gives a number. plan: by which the samples were made; without one, no frame counts as observed.

    device: where networks run; ssim_data_range: 1, or 2 as the original code had it; alexnet, i3d: the files of the
    weights of LPIPS and of FVD, by default the machine's, fetched if they are not there; fvd: the protocol of FVD and
    its kin, by default the original's.

    Raises `InputError` for an unknown metric, for frames of another type, or that do not match, and if the metric is
    not defined for these.
    """
    settings = MetricSettings(str(find_device(device)), ssim_data_range, alexnet, i3d, fvd or FvdSettings())
    entry = find_metric(name, settings)
    of_sets = isinstance(entry, SetMetric)
    for what, frames, shape in (
        ("samples", samples, "[V, T, C, H, W]" if of_sets else "[N, T, C, H, W]"),
        ("truth", truth, "[V, T, C, H, W]" if of_sets else "[T, C, H, W]"),
    ):
        if not isinstance(frames, np.ndarray):
            raise InputError(f"{what} is a {type(frames).__name__}, must be an array uint8 {shape}")
        if frames.dtype != np.uint8 or frames.ndim != shape.count(",") + 1 or 0 in frames.shape:
            raise InputError(f"{what} is {frames.dtype} {list(frames.shape)}, must be uint8 {shape}")
    if isinstance(entry, SetMetric):
        if samples.shape != truth.shape:
            raise InputError(f"samples are {list(samples.shape)}, the truth is {list(truth.shape)}")
        return _measure_videos(name, entry, samples, truth, plan, settings)
    if samples.shape[1:] != truth.shape:
        raise InputError(f"samples have frames {list(samples.shape[1:])}, the truth {list(truth.shape)}")
    check_joint(name, entry, len(samples))
    values = entry.compute(samples, truth, settings)
    check_values(name, values, [f"sample {number}" for number in range(len(samples))], range(len(truth)))
    return values


def _measure_videos(
    name: str,
    entry: SetMetric,
    samples: Videos,
    truth: Videos,
    plan: Plan | None,
    settings: MetricSettings,
) -> float:
    """A metric of sets of a completion of each true video."""
    check_videos(name, entry, len(truth))
    if plan and plan.length != truth.shape[1]:
        raise InputError(
            f"metric {name}: the plan has {plan.length} frames, the videos have {truth.shape[1]}"
        )
    given, stage_of = (plan.given, stages_of(plan, truth.shape[1])) if plan else (0, ())
    facts = facts_for(entry.descriptor, given, stage_of, settings)
    with naming(f"metric {name}"):
        made, true = (
            np.concatenate(
                [
                    describe_videos(
                        entry.descriptor, videos[i : i + 1], facts.obs_length, settings, [f"{what} {i}"]
                    )
                    for i in range(len(videos))
                ]
            )
            for what, videos in (("sample", samples), ("true video", truth))
        )
        return entry.compute(made, true, facts)
