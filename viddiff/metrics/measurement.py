"""Measuring files of samples, one test video at a time.

Only generated frames count: those from `obs_length` to the end, but for goals. Each sample file is read once;
its hash is that of the bytes that were measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from viddiff.errors import InputError, naming, unreadable
from viddiff.files.npy import parse_npy
from viddiff.metrics.base import Metric, MetricSettings, SetMetric
from viddiff.metrics.features import FeatureStore
from viddiff.metrics.sets import RowsOfVideos, SetValue, check_videos, measure_set
from viddiff.metrics.values import check_joint, check_values, describe_videos, facts_for, find_metric
from viddiff.video import Video


@dataclass(frozen=True)
class Measurement:
    """Values of metrics and what they were computed from.

    `values`: by name, `[videos, samples, frames]`, or `[videos, 1, frames]` of metrics of all samples together. The
    frames are those from `obs_length` to the end, but for `goals`, later frames that were given as well. `sets`: those
    of metrics of sets, and `rows`: what these were computed from, by the name of the descriptor.
    `hashes`: SHA-256 of each sample file. `truth_sha256`: of the test videos' frames. `frame_size`: (H, W).
    """

    values: dict[str, Float64[np.ndarray, "V N F"]]
    settings: MetricSettings
    videos: int
    samples: int
    obs_length: int
    length: int
    frame_size: tuple[int, int]
    hashes: dict[Path, str]
    truth_sha256: str
    goals: tuple[int, ...] = ()
    sets: dict[str, SetValue] = field(default_factory=dict)
    rows: dict[str, RowsOfVideos] = field(default_factory=dict)


# From a file, the true video and the frames that were given: the sample and its SHA-256.
ReadSample = Callable[[Path, Video, Sequence[int]], tuple[Video, str]]


def measure_files(
    files: Sequence[Sequence[Path]],
    truth: Callable[[int], Video],
    obs_length: int,
    metrics: Sequence[str],
    settings: MetricSettings,
    progress: Callable[[int, int], None] = lambda done, total: None,
    goals: Sequence[int] = (),
    stage_of: Sequence[int] = (),
    store: FeatureStore | None = None,
    read: ReadSample | None = None,
) -> Measurement:
    """Measure `files[video][sample]` against `truth(video)`, uint8 `[T, C, H, W]`.

    `progress(done, total)` is called after each video. `goals`: frames from `obs_length` on that were given.
    `stage_of`: what `stages_of` gives, if a plan is known. `store`: keeps rows of descriptors that take long.
    `read`: what gives the sample of a file, `read_sample` by default.
    Raises `InputError` that names the file if a sample is unreadable, is no uint8 video of the truth's shape,
    or does not hold the observed frames of the truth, and if a metric gives anything but a finite number for each.
    """
    samples_per_video = len(files[0]) if files else 0
    if samples_per_video == 0 or any(len(row) != samples_per_video for row in files):
        raise InputError(f"each video needs the same number of samples, found {[len(row) for row in files]}")
    read = read or read_sample
    chosen = {name: find_metric(name, settings) for name in metrics}
    of_frames = {name: entry for name, entry in chosen.items() if isinstance(entry, Metric)}
    of_sets = {name: entry for name, entry in chosen.items() if isinstance(entry, SetMetric)}
    for name, entry in of_frames.items():
        check_joint(name, entry, samples_per_video)
    for name, part in of_sets.items():
        check_videos(name, part, len(files))
    described = {entry.descriptor: name for name, entry in reversed(of_sets.items())}
    values: dict[str, list[np.ndarray]] = {name: [] for name in of_frames}
    rows: dict[str, list[np.ndarray]] = {name: [] for name in described}
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
        videos = np.empty((1 + len(paths), *shape), np.uint8)  # the true one, then its samples
        videos[0] = reference
        for i, path in enumerate(paths):
            videos[1 + i], hashes[path] = read(path, reference, [*range(obs_length), *goals])
        generated = np.setdiff1d(np.arange(obs_length, len(reference)), goals)
        for name, entry in of_frames.items():
            with naming(f"metric {name}, test video {video}"):
                found = entry.compute(videos[1:, generated], reference[generated], settings)
            check_values(name, found, paths, generated.tolist())
            values[name].append(found)
        for kind, name in described.items():
            with naming(f"metric {name}, test video {video}"):
                found = describe_videos(kind, videos, obs_length, settings, ["the truth", *paths], store)
                if video and found.shape != rows[kind][0].shape:
                    width = rows[kind][0].shape[1]
                    raise InputError(
                        f"the rows of {kind} have {found.shape[1]} numbers, those before {width}"
                    )
            rows[kind].append(found)
        progress(video + 1, len(files))

    length, _, height, width = reference.shape
    whole = {kind: np.stack(each) for kind, each in rows.items()}
    split = {kind: RowsOfVideos(each[:, 0], each[:, 1:]) for kind, each in whole.items()}
    facts = {kind: facts_for(kind, obs_length, stage_of, settings) for kind in described}
    return Measurement(
        {name: np.stack(row) for name, row in values.items()},
        settings,
        len(files),
        samples_per_video,
        obs_length,
        length,
        (height, width),
        hashes,
        truth_digest.hexdigest(),
        tuple(goals),
        {
            name: measure_set(name, part, split[part.descriptor], facts[part.descriptor])
            for name, part in of_sets.items()
        },
        split,
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
