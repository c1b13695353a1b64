"""Measuring files of samples, one test video at a time.

Only generated frames count: those from `obs_length` to the end, but for goals. The hash of a sample file is that of the
bytes that were measured.

Samples may go on when their true videos have ended. Then metrics that compare frames with the true ones count those
that have one, and those for which `Descriptor.beyond` says so count all. Of the latter, files are memory-mapped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from viddiff.errors import InputError, naming
from viddiff.files.npy import open_hashed
from viddiff.metrics.base import Metric, MetricSettings, SetMetric
from viddiff.metrics.extractor import find_descriptor
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
    `length`: frames that were measured; `true_length`: of them those that have a truth, `None` if all have one.
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
    true_length: int | None = None


# From a file, the true video, the frames that were given and the number of frames: the sample and its SHA-256.
ReadSample = Callable[[Path, Video, Sequence[int], int], tuple[Video, str]]


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
    length: int | None = None,
) -> Measurement:
    """Measure `files[video][sample]` against `truth(video)`, uint8 `[T, C, H, W]`.

    `progress(done, total)` is called after each video. `goals`: frames from `obs_length` on that were given.
    `stage_of`: what `stages_of` gives, if a plan is known. `store`: keeps rows of descriptors that take long.
    `read`: what gives the sample of a file, `read_sample` by default. `length`: how many frames of a sample are
    measured, as many as the truth has or more; by default as many.
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
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {kind: [] for kind in described}
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
        measured = length or len(reference)
        videos = np.empty((1 + len(paths), *shape), np.uint8)  # the true one, then its samples
        videos[0] = reference
        samples = []
        for i, path in enumerate(paths):
            sample, hashes[path] = read(path, reference, [*range(obs_length), *goals], measured)
            samples.append(sample)
            videos[1 + i] = sample[: len(reference)]
        generated = np.setdiff1d(np.arange(obs_length, len(reference)), goals)
        for name, entry in of_frames.items():
            with naming(f"metric {name}, test video {video}"):
                found = entry.compute(videos[1:, generated], reference[generated], settings)
            check_values(name, found, paths, generated.tolist())
            values[name].append(found)
        for kind, name in described.items():
            long = measured > len(reference) and find_descriptor(kind, settings).beyond
            groups = [videos[:1], *(sample[None] for sample in samples)] if long else [videos]
            with naming(f"metric {name}, test video {video}"):
                names = iter(["the truth", *paths])
                described_rows = [
                    row
                    for group in groups
                    for row in describe_videos(
                        kind, group, obs_length, settings, list(islice(names, len(group))), store
                    )
                ]
                true, made = described_rows[0], np.stack(described_rows[1:])
                if video and made.shape != rows[kind][0][1].shape:
                    width = rows[kind][0][1].shape[1]
                    raise InputError(f"the rows of {kind} have {made.shape[1]} numbers, those before {width}")
            rows[kind].append((true, made))
        progress(video + 1, len(files))

    true_length, _, height, width = reference.shape
    split = {
        kind: RowsOfVideos(*(np.stack(part) for part in zip(*each, strict=True)))
        for kind, each in rows.items()
    }
    facts = {kind: facts_for(kind, obs_length, stage_of, settings, goals) for kind in described}
    return Measurement(
        {name: np.stack(row) for name, row in values.items()},
        settings,
        len(files),
        samples_per_video,
        obs_length,
        length or true_length,
        (height, width),
        hashes,
        truth_digest.hexdigest(),
        tuple(goals),
        {
            name: measure_set(name, part, split[part.descriptor], facts[part.descriptor])
            for name, part in of_sets.items()
        },
        split,
        true_length if length and length > true_length else None,
    )


def read_sample(
    path: Path, truth: Video, observed: Sequence[int], length: int
) -> tuple[UInt8[np.ndarray, "length C H W"], str]:
    """A sample, memory-mapped, and the SHA-256 of its file.

    A sample may be longer: its first frames count. Raises `InputError` unless it is a uint8 array of `length` frames
    like the truth's, of which the `observed` ones are the truth's, up to the one grey level that the original code
    loses by cutting instead of rounding.
    """
    sample, digest = open_hashed(path)
    expected = (length, *truth.shape[1:])
    fits = sample.ndim == truth.ndim and sample.dtype == np.uint8
    if not fits or sample[:length].shape != expected:
        raise InputError(
            f"sample {path} is {sample.dtype} {list(sample.shape)}, expected uint8 {list(expected)}"
        )
    sample, frames = sample[:length], list(observed)
    difference = np.abs(sample[frames].astype(np.int16) - truth[frames])
    if difference.max(initial=0) > 1:
        raise InputError(
            f"sample {path} was made from another video: its {len(frames)} observed frames differ from the test "
            f"video's by up to {difference.max()} grey levels"
        )
    return sample, digest
