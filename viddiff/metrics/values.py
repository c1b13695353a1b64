"""What a metric gives of arrays, checked: its values, the rows that metrics of sets are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from viddiff.errors import InputError, unknown
from viddiff.inference.plan import Plan
from viddiff.metrics.base import Facts, Metric, MetricSettings, Rows, SetMetric, Videos, metric, set_metric
from viddiff.metrics.extractor import find_descriptor, find_set_metric
from viddiff.metrics.features import FeatureStore
from viddiff.metrics.settings import DISTANCES


def find_metric(name: str, settings: MetricSettings) -> Metric | SetMetric:
    """The metric of that name. Raises `InputError` with the nearest and all known ones if there is none."""
    if name in metric.names():
        return metric.find(name)
    kinds = {f"{distance}-{network}" for distance in DISTANCES for network in settings.extractors}
    if name not in {*set_metric.names(), *kinds}:
        raise unknown(f"metric {name!r}", name, [*metric.names(), *set_metric.names(), *kinds])
    return find_set_metric(name, settings)


def stages_of(plan: Plan, length: int) -> tuple[int, ...]:
    """For each of the first `length` frames the number of the stage that makes it last, -1 for a given one."""
    stage_of = [-1] * plan.length
    for number, stage in enumerate(plan.stages):
        for frame in stage.latent:
            stage_of[frame] = number
    return tuple(stage_of[:length])


def facts_for(
    kind: str,
    obs_length: int,
    stage_of: Sequence[int],
    settings: MetricSettings,
    goals: Sequence[int] = (),
) -> Facts:
    """What metrics of sets may know besides the rows of that descriptor."""
    first = find_descriptor(kind, settings).first(obs_length, settings)
    return Facts(obs_length, tuple(stage_of), first, settings.fvd.ddof, tuple(goals))


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


def check_joint(name: str, entry: Metric, samples: int) -> None:
    """Raise `InputError` if a metric of all samples of a video together has but one."""
    if entry.joint and samples < 2:
        raise InputError(f"metric {name} needs 2 samples of each video or more, found {samples}")
