"""The files of an evaluation: `metrics_<videos>-<samples>-<T>.pkl` with all values, `.json` with summary and
protocol.

The `.pkl` is a dict of float64 arrays `[videos, samples, T - obs_length]`, as the original writes it; nothing
here reads it. The `.json` is what tables and curves are made from. It names the sample files that were
measured, with hashes.
"""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from viddiff.files.write import atomic_path, write_json
from viddiff.metrics.base import metric
from viddiff.metrics.measure import Measurement

FORMAT = 1
"""Raised whenever the meaning of a field changes. What the values depend on is told by the metrics' protocols."""


def write_measurement(measurement: Measurement, pkl: Path, json_path: Path) -> None:
    """Write both files, each atomically."""
    with atomic_path(pkl) as temporary, open(temporary, "wb") as file:
        pickle.dump(measurement.values, file, protocol=4)
    write_json(json_path, describe(measurement, json_path.parent))


def describe(measurement: Measurement, folder: Path) -> dict[str, Any]:
    """The content of the JSON file that lies in `folder`; sample files are named relative to it."""
    videos, samples, _ = next(iter(measurement.values.values())).shape
    metrics = {}
    for name, values in measurement.values.items():
        entry = metric.find(name)
        ceiling = entry.largest_finite(*measurement.frame_size) if entry.largest_finite else None
        metrics[name] = {
            **summarise(values, ceiling),
            "unit": entry.unit,
            "higher_is_better": entry.higher_is_better,
            "protocol": entry.protocol(measurement.settings),
        }
    hashes = {
        Path(os.path.relpath(path, folder)).as_posix(): digest for path, digest in measurement.hashes.items()
    }
    return {
        "format": FORMAT,
        "videos": videos,
        "samples_per_video": samples,
        "length": measurement.length,
        "obs_length": measurement.obs_length,
        "goals": list(measurement.goals),
        "frames_counted": f"{measurement.obs_length}..{measurement.length - 1}"
        + (f" but for {len(measurement.goals)} goals" if measurement.goals else ""),
        "metrics": metrics,
        "test_videos_sha256": measurement.truth_sha256,
        "libraries": {"torch": torch.__version__, "numpy": np.__version__},
        "samples": dict(sorted(hashes.items())),
    }


def summarise(values: Float64[np.ndarray, "V N F"], largest_finite: float | None = None) -> dict[str, Any]:
    """Means and standard errors of `[videos, samples, frames]`.

    `standard_error_videos`: of the videos' means (over their samples and frames), for another draw of test
    videos.
    `standard_error_samples`: of the sample indices' means (over videos and frames), for another run of the
    sampler on the same videos. Both are the sample standard deviation over the root of the count, None for a
    count of one.
    `per_video`: the mean of each video; two modes on the same videos are compared by the differences of these.
    `per_sample`: the mean of each sample index. `per_frame`: the mean of each generated frame, with
    `per_frame_standard_error_videos`, as above for one frame.
    Infinite values count as `largest_finite`; `infinite` is their number.
    """
    infinite = np.isposinf(values)
    if largest_finite is not None:
        values = np.where(infinite, largest_finite, values)
    frames = values.mean(1)
    return {
        "mean": float(values.mean()),
        "standard_error_videos": _standard_error(values.mean((1, 2))),
        "standard_error_samples": _standard_error(values.mean((0, 2))),
        "per_video": values.mean((1, 2)).tolist(),
        "per_sample": values.mean((0, 2)).tolist(),
        "per_frame": list(map(_short, frames.mean(0))),
        "per_frame_standard_error_videos": None
        if len(values) == 1
        else list(map(_short, frames.std(0, ddof=1) / math.sqrt(len(values)))),
        "infinite": int(infinite.sum()),
    }


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _standard_error(means: Float64[np.ndarray, " n"]) -> float | None:
    return float(means.std(ddof=1) / math.sqrt(len(means))) if len(means) > 1 else None
