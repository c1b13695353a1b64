"""The files of an evaluation: `metrics_<videos>-<samples>-<T>.pkl` with all values, `.json` with summary and
protocol, `.npz` with the rows of metrics of sets, if there are such.

The `.pkl` is a dict of float64 arrays, `[videos, samples, T - obs_length]`, of metrics of sets `[samples]`, as the
original writes it; nothing here reads it. The `.json` is what tables and curves are made from. It names the sample
files that were measured, with hashes. From the `.npz`, `<descriptor>.truth` `[videos, D]` and `<descriptor>.samples`
`[videos, samples, D]`, two evaluations of the same videos are compared.
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from viddiff.device import device_name
from viddiff.files.write import atomic_path, save_npz, write_json
from viddiff.metrics.base import metric
from viddiff.metrics.extractor import find_descriptor, find_set_metric
from viddiff.metrics.measurement import Measurement
from viddiff.metrics.sets import SetValue
from viddiff.metrics.statistics import pooled_standard_error, standard_error

FORMAT = 1
"""Raised whenever the meaning of a field changes. What the values depend on is told by the metrics' protocols."""

ERRORS = {
    "standard_error_videos": "of the videos' means; of metrics of sets, delete-one jackknife over videos",
    "standard_error_samples": "pooled variance within videos",
}
"""How errors were computed. Files without this have `standard_error_samples` from the means of the sample indices."""


def write_measurement(
    measurement: Measurement,
    pkl: Path,
    json_path: Path,
    floors: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Path]:
    """Write the files, each atomically, and return their paths; see `describe`."""
    made = [pkl, json_path]
    values = measurement.values | {name: value.per_sample for name, value in measurement.sets.items()}
    with atomic_path(pkl) as temporary, open(temporary, "wb") as file:
        pickle.dump(values, file, protocol=4)
    if measurement.rows:
        made.append(json_path.with_suffix(".npz"))
        arrays: dict[str, np.ndarray] = {}
        for kind, rows in measurement.rows.items():
            arrays |= {f"{kind}.truth": rows.truth, f"{kind}.samples": rows.samples}
        save_npz(made[-1], arrays)
    write_json(json_path, describe(measurement, json_path.parent, floors or {}))
    return made


def describe(
    measurement: Measurement, folder: Path, floors: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """The content of the JSON file that lies in `folder`; sample files are named relative to it.

    floors: by the name of a metric what is recorded as its floor; `None` of a baseline, which is read beside none.
    """
    settings = measurement.settings
    metrics = {}
    for name, values in measurement.values.items():
        entry = metric.find(name)
        ceiling = entry.largest_finite(*measurement.frame_size) if entry.largest_finite else None
        metrics[name] = {
            **summarise(values, ceiling, entry.higher_is_better),
            "unit": entry.unit,
            "better": {True: "higher", False: "lower", None: None}[entry.higher_is_better],
            "higher_is_better": entry.higher_is_better,
            "protocol": entry.protocol(settings),
        }
    for name, value in measurement.sets.items():
        kind = find_set_metric(name, settings)
        metrics[name] = {
            **summarise_set(value),
            **(
                {"floor": floors.get(name, {"missing": "no baseline was measured"})}
                if kind.floor and floors is not None
                else {}
            ),
            "unit": kind.unit,
            "better": kind.better,
            "higher_is_better": {"higher": True, "lower": False, "truth": None}[kind.better],
            "protocol": find_descriptor(kind.descriptor, settings).protocol(settings)
            | kind.protocol(settings),
        }
    hashes = {
        Path(os.path.relpath(path, folder)).as_posix(): digest for path, digest in measurement.hashes.items()
    }
    counted = "{}..{}" + (f" but for {len(measurement.goals)} goals" if measurement.goals else "")
    true_length, ended = measurement.true_length, {}
    if true_length:
        beyond = [
            name
            for name in measurement.sets
            if find_descriptor(find_set_metric(name, settings).descriptor, settings).beyond
        ]
        frames = counted.format(measurement.obs_length, measurement.length - 1)
        ended = {"true_length": true_length, "counted_beyond": dict.fromkeys(beyond, frames)}
    return {
        "format": FORMAT,
        "videos": measurement.videos,
        "samples_per_video": measurement.samples,
        "length": measurement.length,
        **ended,
        "obs_length": measurement.obs_length,
        "goals": list(measurement.goals),
        "frames_counted": counted.format(measurement.obs_length, (true_length or measurement.length) - 1),
        "errors": ERRORS,
        "metrics": metrics,
        "test_videos_sha256": measurement.truth_sha256,
        "device": device_name(settings.device),
        "libraries": {"torch": torch.__version__, "numpy": np.__version__},
        "samples": dict(sorted(hashes.items())),
    }


def summarise(
    values: Float64[np.ndarray, "V N F"],
    largest_finite: float | None = None,
    higher_is_better: bool | None = True,
) -> dict[str, Any]:
    """Means and standard errors of `[videos, samples, frames]`.

    `standard_error_videos`: of the videos' means (over their samples and frames), for another draw of test
    videos; None for one video. `standard_error_samples`: for another run of the sampler on the same videos, from the
    pooled variance within videos; None for one sample.
    `per_video`: the mean of each video; two modes on the same videos are compared by the differences of these.
    `per_sample`: the mean of each sample index. `per_frame`: the mean of each generated frame, with
    `per_frame_standard_error_videos`, as above for one frame. `aggregates`: see `aggregate`; none of a single sample,
    of values of all samples together, and if neither higher nor lower is better.
    Infinite values count as `largest_finite`; `infinite` is their number.
    """
    infinite = np.isposinf(values)
    if largest_finite is not None:
        values = np.where(infinite, largest_finite, values)
    frames, samples = values.mean(1), values.mean(2)
    return {
        "mean": float(values.mean()),
        "standard_error_videos": standard_error(samples.mean(1)),
        "standard_error_samples": pooled_standard_error(samples),
        "per_video": samples.mean(1).tolist(),
        "per_sample": samples.mean(0).tolist(),
        "per_frame": list(map(_short, frames.mean(0))),
        "per_frame_standard_error_videos": None
        if len(values) == 1
        else list(map(_short, frames.std(0, ddof=1) / math.sqrt(len(values)))),
        "aggregates": {}
        if higher_is_better is None or samples.shape[1] == 1
        else aggregate(samples, higher_is_better),
        "infinite": int(infinite.sum()),
    }


def aggregate(samples: Float64[np.ndarray, "V N"], higher_is_better: bool) -> dict[str, Any]:
    """The original's aggregates of the means of each video and sample index, with errors over videos.

    `best`: of each video the best sample; it grows with the number of samples. `best_on_average`: the sample index with
    the best mean. `mean`: all samples.
    """
    sign = 1 if higher_is_better else -1
    chosen = {
        "best": sign * (sign * samples).max(1),
        "best_on_average": samples[:, int((sign * samples.mean(0)).argmax())],
        "mean": samples.mean(1),
    }
    return {
        name: {"mean": float(values.mean()), "standard_error_videos": standard_error(values)}
        for name, values in chosen.items()
    }


def summarise_set(value: SetValue) -> dict[str, Any]:
    """What a record tells of a metric of sets: its mean over sample indices, its errors, and what they come from.

    One that is not defined for these videos has no mean, and `undefined`, the reason.
    """
    if value.undefined is not None:
        unknown = ("mean", "standard_error_videos", "standard_error_samples", "pseudo_values")
        return dict.fromkeys(unknown) | {"per_sample": [], "undefined": value.undefined, "warnings": []}
    summary: dict[str, Any] = {
        "mean": float(value.per_sample.mean()),
        "standard_error_videos": value.error_videos,
        "standard_error_samples": value.error_samples,
        "per_sample": value.per_sample.tolist(),
        "pseudo_values": _listed(value.pseudo_values),
    }
    if value.truth:
        summary["truth"] = {
            "mean": value.truth.value,
            "standard_error_videos": value.truth.error,
            "pseudo_values": _listed(value.truth.pseudo_values),
        }
    if value.curve:
        summary["curve"] = {name: part for name, part in asdict(value.curve).items() if part is not None}
    return summary | {"warnings": list(value.warnings)}


def _listed(values: Float64[np.ndarray, " V"] | None) -> list[float] | None:
    return None if values is None else values.tolist()


def _short(value: float) -> float:
    return float(f"{value:.6g}")
