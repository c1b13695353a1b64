"""Computing metrics of samples, one test video at a time.

Only generated frames count: those from `obs_length` to the end, but for goals. Each sample file is read once;
its hash is that of the bytes that were measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from viddiff.device import find_device
from viddiff.errors import InputError, unknown, unreadable
from viddiff.files.npy import parse_npy
from viddiff.inference.plan import Plan
from viddiff.metrics.base import (
    Facts,
    Metric,
    MetricSettings,
    Rows,
    SetMetric,
    Videos,
    metric,
    set_metric,
)
from viddiff.metrics.extractor import find_descriptor, find_set_metric
from viddiff.metrics.features import FeatureStore
from viddiff.metrics.sets import RowsOfVideos, SetValue, check_videos, measure_set
from viddiff.metrics.settings import DISTANCES, FvdSettings
from viddiff.video import Video


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
    _check_joint(name, entry, len(samples))
    values = entry.compute(samples, truth, settings)
    check_values(name, values, [f"sample {number}" for number in range(len(samples))], range(len(truth)))
    return values


def stages_of(plan: Plan, length: int) -> tuple[int, ...]:
    """For each of the first `length` frames the number of the stage that makes it last, -1 for a given one."""
    stage_of = [-1] * plan.length
    for number, stage in enumerate(plan.stages):
        for frame in stage.latent:
            stage_of[frame] = number
    return tuple(stage_of[:length])


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
        _check_joint(name, entry, samples_per_video)
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
            with _naming(f"metric {name}, test video {video}"):
                found = entry.compute(videos[1:, generated], reference[generated], settings)
            check_values(name, found, paths, generated.tolist())
            values[name].append(found)
        for kind, name in described.items():
            with _naming(f"metric {name}, test video {video}"):
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


def find_metric(name: str, settings: MetricSettings) -> Metric | SetMetric:
    """The metric of that name. Raises `InputError` with the nearest and all known ones if there is none."""
    if name in metric.names():
        return metric.find(name)
    kinds = {f"{distance}-{network}" for distance in DISTANCES for network in settings.extractors}
    if name not in {*set_metric.names(), *kinds}:
        raise unknown(f"metric {name!r}", name, [*metric.names(), *set_metric.names(), *kinds])
    return find_set_metric(name, settings)


def facts_for(kind: str, obs_length: int, stage_of: Sequence[int], settings: MetricSettings) -> Facts:
    """What metrics of sets may know besides the rows of that descriptor."""
    first = find_descriptor(kind, settings).first(obs_length, settings)
    return Facts(obs_length, tuple(stage_of), first, settings.fvd.ddof)


def describe_videos(
    kind: str,
    videos: Videos,
    obs_length: int,
    settings: MetricSettings,
    names: Sequence[object],
    store: FeatureStore | None = None,
) -> Rows:
    """Rows of a descriptor, `[B, D]`, of videos with these names.

    Raises `InputError` if the videos are too short, or the rows are no rows of finite numbers.
    """
    entry = find_descriptor(kind, settings)
    if videos.shape[1] < entry.fewest_frames:
        raise InputError(f"videos have {videos.shape[1]} frames, must have {entry.fewest_frames} or more")
    rows = (store or FeatureStore(None)).rows(kind, videos, obs_length, settings)
    if rows.ndim != 2 or len(rows) != len(videos):
        raise InputError(f"the rows of {kind} are {list(rows.shape)}, must be [{len(videos)}, D]")
    if not (finite := np.isfinite(rows).all(1)).all():
        raise InputError(f"{names[int(finite.argmin())]}: {kind} gives a number that is not finite")
    return rows


def check_values(name: str, values: Any, samples: Sequence[object], frames: Sequence[int]) -> None:
    """Raise `InputError` unless a metric's values are a number for each sample and frame, which are named by these.

    They may be infinite if the metric tells what that counts as. Of a joint metric they are of all samples.
    """
    entry = metric.find(name)
    if entry.joint:
        samples = samples[:1]
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
    if entry.largest_finite is not None:
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
    given, stage_of = (plan.given, stages_of(plan, truth.shape[1])) if plan else (0, ())
    facts = facts_for(entry.descriptor, given, stage_of, settings)
    with _naming(f"metric {name}"):
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


def _check_joint(name: str, entry: Metric, samples: int) -> None:
    if entry.joint and samples < 2:
        raise InputError(f"metric {name} needs 2 samples of each video or more, found {samples}")


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Errors in the block begin with that."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
