"""Baselines of a dataset: completions of its videos that no model makes, measured as samples are, once for all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from viddiff.data.base import VideoDataset
from viddiff.errors import InputError, one_line, reading
from viddiff.files.json_files import GROWING, number, read_json, short_text, whole_number
from viddiff.files.write import write_json
from viddiff.jobs.job import OpenVideos
from viddiff.metrics.base import MetricSettings
from viddiff.metrics.baselines import last_frame_repeated
from viddiff.metrics.features import FeatureStore
from viddiff.metrics.measurement import measure_files
from viddiff.metrics.record import describe
from viddiff.tree.paths import BASELINES, FEATURES, RESULTS, Baseline
from viddiff.video import Video

Completion = Callable[[int, Video], Video]
"""From the index of a test video, and its frames, to the frames of a completion."""


def measure_baseline(
    record: Path,
    open_videos: OpenVideos,
    metrics: Sequence[str],
    settings: MetricSettings,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the record of a baseline, see `viddiff.tree.paths.Baseline`: the JSON of a metrics file.

    A baseline ends with the truth. The record says `missing` and why in place of numbers if the dataset has too few
    videos to take others from. Progress counts videos. Raises `InputError` as `measure_files` does.
    """
    baseline, videos, T = Baseline.parse(record)
    dataset = open_videos(baseline.dataset, baseline.split)
    length = min(T, *(dataset.length(number) for number in range(min(videos, len(dataset)))))
    goals = tuple(range(T - baseline.goals, T))
    origin: dict[str, Any] = {
        "baseline": BASELINES[baseline.name],
        "dataset": baseline.dataset,
        "split": baseline.split,
    }
    completion: Completion
    if baseline.name == "last-frame":

        def completion(number: int, truth: Video) -> Video:
            return last_frame_repeated(truth, baseline.obs_length, goals)
    else:
        try:
            others, first = other_videos(dataset, videos, length, open_videos)
        except InputError as error:
            write_json(record, origin | {"missing": str(error)})
            return
        origin["others"] = f"videos {first}..{first + videos - 1} of the {others.split} set"

        def completion(number: int, truth: Video) -> Video:
            return others.video(first + number, length)

    names = {Path(f"video {number}"): number for number in range(videos)}

    def complete(name: Path, truth: Video, given: Sequence[int], frames: int) -> tuple[Video, str]:
        video = completion(names[name], truth)
        return video, hashlib.sha256(video.tobytes()).hexdigest()

    measurement = measure_files(
        [[name] for name in names],
        lambda number: dataset.video(number, length),
        baseline.obs_length,
        metrics,
        settings,
        progress,
        goals=goals,
        store=FeatureStore(Path(RESULTS, FEATURES)),
        read=complete,
    )
    if length < T:  # it stands beside what goes on
        measurement = replace(measurement, length=T, true_length=length)
        origin["counted_beyond"] = {}
    write_json(record, describe(measurement, Path()) | origin)


def other_videos(
    dataset: VideoDataset, videos: int, T: int, open_videos: OpenVideos
) -> tuple[VideoDataset, int]:
    """As many true videos beside the first `videos`, of T frames or more: a split, and the number of the first of them.

    They are the next ones of the same split; else, of test videos, the first ones of the training set. Raises
    `InputError` that says why if there are none.
    """
    reasons = []
    for split, first in (("test", videos), ("train", 0)) if dataset.split == "test" else (("train", videos),):
        try:
            others = dataset if split == dataset.split else open_videos(dataset.name, split)
        except (InputError, OSError) as error:  # a split need not be there
            reasons.append(one_line(error))
            continue
        wanted = range(first, first + videos)
        if len(others) < wanted.stop:
            reasons.append(f"the {split} set has {len(others)} videos, {wanted.stop} are needed")
        elif short := [number for number in wanted if others.length(number) < T]:
            reasons.append(
                f"video {short[0]} of the {split} set has {others.length(short[0])} frames, not {T}"
            )
        else:
            return others, first
    raise InputError(f"no {videos} other true videos: {'; '.join(reasons)}")


def read_floors(
    records: Sequence[Path], metrics: Sequence[str], test_videos: str
) -> dict[str, dict[str, Any]]:
    """The floors of metrics, by name: what another true video has in the place of a sample, or that it is `missing`.

    records: of baselines; test_videos: the SHA-256 of those that the samples complete: floors of others are none.
    Raises `InputError` that names a record that is none.
    """
    for path in records:
        if Baseline.parse(path)[0].name == "other-video":
            with reading(path, "the record of a baseline"):
                content = read_json(path, GROWING)
                reason = short_text(content.get("missing", ""))
                if not reason and content["test_videos_sha256"] != test_videos:
                    reason = f"{path} is of other test videos: remove it to have it measured anew"
                if reason:
                    return {name: {"missing": reason} for name in metrics}
                return {
                    name: _floor(content["metrics"][name], content["videos"])
                    for name in metrics
                    if name in content["metrics"]
                }
    return {}


def _floor(content: Mapping[str, Any], videos: int) -> dict[str, Any]:
    if content["mean"] is None:
        return {"missing": f"not defined: {short_text(content['undefined'])}"}
    error = content["standard_error_videos"]
    return {
        "mean": number(content["mean"]),
        "standard_error_videos": None if error is None else number(error),
        "videos": whole_number(videos),
    }
