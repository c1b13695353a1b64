"""Computing metrics of samples, one test video at a time.

Only generated frames count: those from `obs_length` to the end, but for goals. Each sample file is read once;
its hash is that of the bytes that were measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from viddiff.device import find_device
from viddiff.errors import InputError, unreadable
from viddiff.files.npy import parse_npy
from viddiff.metrics.base import MetricSettings, metric
from viddiff.video import Video


def measure(
    name: str,
    samples: Any,
    truth: Any,
    *,
    device: str = "auto",
    ssim_data_range: float = 1.0,
    alexnet: Path | None = None,
) -> Float64[np.ndarray, "N T"]:
    """A metric of each of N samples of a video at each of their T frames.

    samples: uint8 `[N, T, C, H, W]`; truth: uint8 `[T, C, H, W]`; leave out the frames that were observed. device:
    where networks run; ssim_data_range: 1, or 2 as the original code had it; alexnet: the file of LPIPS weights, by
    default the machine's, fetched if it is not there.

    Raises `InputError` for an unknown metric, and for frames of another type, or that do not match.
    """
    found = metric.find(name)
    for what, frames, shape in (("samples", samples, "[N, T, C, H, W]"), ("truth", truth, "[T, C, H, W]")):
        if not isinstance(frames, np.ndarray):
            raise InputError(f"{what} is a {type(frames).__name__}, must be an array uint8 {shape}")
        if frames.dtype != np.uint8 or frames.ndim != shape.count(",") + 1 or 0 in frames.shape:
            raise InputError(f"{what} is {frames.dtype} {list(frames.shape)}, must be uint8 {shape}")
    if samples.shape[1:] != truth.shape:
        raise InputError(f"samples have frames {list(samples.shape[1:])}, the truth {list(truth.shape)}")
    settings = MetricSettings(str(find_device(device)), ssim_data_range, alexnet)
    values = found.compute(samples, truth, settings)
    check_values(name, values, [f"sample {number}" for number in range(len(samples))], range(len(truth)))
    return values


@dataclass(frozen=True)
class Measurement:
    """Values of metrics, `[videos, samples, frames]` by name, and what they were computed from.

    The frames are those from `obs_length` to the end, but for `goals`, later frames that were given as well.
    `hashes`: SHA-256 of each sample file. `truth_sha256`: of the test videos' frames. `frame_size`: (H, W).
    """

    values: dict[str, Float64[np.ndarray, "V N F"]]
    settings: MetricSettings
    obs_length: int
    length: int
    frame_size: tuple[int, int]
    hashes: dict[Path, str]
    truth_sha256: str
    goals: tuple[int, ...] = ()


def measure_files(
    files: Sequence[Sequence[Path]],
    truth: Callable[[int], Video],
    obs_length: int,
    metrics: Sequence[str],
    settings: MetricSettings,
    progress: Callable[[int, int], None] = lambda done, total: None,
    goals: Sequence[int] = (),
) -> Measurement:
    """Measure `files[video][sample]` against `truth(video)`, uint8 `[T, C, H, W]`.

    `progress(done, total)` is called after each video. `goals`: frames from `obs_length` on that were given.
    Raises `InputError` that names the file if a sample is unreadable, is no uint8 video of the truth's shape,
    or does not hold the observed frames of the truth, and if a metric gives anything but a finite number for each.
    """
    chosen = {name: metric.find(name) for name in metrics}
    samples_per_video = len(files[0]) if files else 0
    if samples_per_video == 0 or any(len(row) != samples_per_video for row in files):
        raise InputError(f"each video needs the same number of samples, found {[len(row) for row in files]}")

    rows: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    hashes: dict[Path, str] = {}
    truth_digest = hashlib.sha256()
    shape: tuple[int, ...] | None = None
    for video, paths in enumerate(files):
        reference = np.ascontiguousarray(truth(video))
        if shape is None:
            shape = reference.shape
            if not 0 <= obs_length < shape[0]:
                raise InputError(
                    f"obs_length is {obs_length}; videos of {shape[0]} frames allow 0..{shape[0] - 1}"
                )
        elif reference.shape != shape:
            raise InputError(f"test video {video} is {list(reference.shape)}, test video 0 is {list(shape)}")
        truth_digest.update(reference.tobytes())
        samples = np.empty((len(paths), *shape), np.uint8)
        for i, path in enumerate(paths):
            samples[i], hashes[path] = read_sample(path, reference, [*range(obs_length), *goals])
        generated = np.setdiff1d(np.arange(obs_length, len(reference)), goals)
        for name, entry in chosen.items():
            try:
                values = entry.compute(samples[:, generated], reference[generated], settings)
            except InputError as error:
                raise InputError(f"metric {name}, test video {video}: {error}") from error
            check_values(name, values, paths, generated.tolist())
            rows[name].append(values)
        progress(video + 1, len(files))

    length, _, height, width = reference.shape
    return Measurement(
        {name: np.stack(row) for name, row in rows.items()},
        settings,
        obs_length,
        length,
        (height, width),
        hashes,
        truth_digest.hexdigest(),
        tuple(goals),
    )


def check_values(name: str, values: Any, samples: Sequence[object], frames: Sequence[int]) -> None:
    """Raise `InputError` unless a metric's values are a number for each sample and frame, which are named by these.

    They may be infinite if the metric tells what that counts as.
    """
    shape = (len(samples), len(frames))
    if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.shape != shape:
        found = (
            f"{values.dtype} {list(values.shape)}"
            if isinstance(values, np.ndarray)
            else type(values).__name__
        )
        raise InputError(
            f"metric {name}, {samples[0]}: its values are {found}, must be float64 {list(shape)}"
        )
    wrong = ~np.isfinite(values)
    if metric.find(name).largest_finite is not None:
        wrong &= ~np.isposinf(values)
    if wrong.any():
        sample, frame = (int(index[0]) for index in wrong.nonzero())
        raise InputError(
            f"metric {name}, {samples[sample]}: of frame {frames[frame]} it is {values[sample, frame]}, must be a "
            "finite number"
        )


def read_sample(path: Path, truth: Video, observed: Sequence[int]) -> tuple[Video, str]:
    """A sample and the SHA-256 of its file.

    A sample may be longer than the truth: its first frames count. Raises `InputError` unless it is a uint8 array
    of the truth's shape whose `observed` frames are the truth's, up to the one grey level that the original code
    loses by cutting instead of rounding.
    """
    try:
        content = path.read_bytes()
        sample = parse_npy(content)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    fits = sample.ndim == truth.ndim and sample.dtype == np.uint8
    if not fits or sample[: len(truth)].shape != truth.shape:
        raise InputError(
            f"sample {path} is {sample.dtype} {list(sample.shape)}, expected uint8 {list(truth.shape)}"
        )
    sample, frames = sample[: len(truth)], list(observed)
    difference = np.abs(sample[frames].astype(np.int16) - truth[frames])
    if difference.max(initial=0) > 1:
        raise InputError(
            f"sample {path} was made from another video: its {len(frames)} observed frames differ from the test "
            f"video's by up to {difference.max()} grey levels"
        )
    return sample, hashlib.sha256(content).hexdigest()
