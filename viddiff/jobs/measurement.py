"""From an evaluation directory to metrics and contact sheets: its samples, the true videos behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from viddiff.data.base import VideoDataset
from viddiff.errors import InputError, reading
from viddiff.files.json_files import read_json, short_text
from viddiff.inference.modes import base_plan
from viddiff.jobs.baselines import read_floors
from viddiff.jobs.job import Job, OpenVideos
from viddiff.jobs.prepare import videos_fingerprint
from viddiff.metrics.base import MetricSettings
from viddiff.metrics.features import FeatureStore
from viddiff.metrics.measurement import measure_files
from viddiff.metrics.record import write_measurement
from viddiff.metrics.values import stages_of
from viddiff.render.sheet import contact_sheet
from viddiff.tree.fingerprint import NAME, check_claim
from viddiff.tree.paths import FEATURES, Evaluation
from viddiff.tree.samples import open_sample
from viddiff.video import Video


def measure_samples(
    job: Job,
    videos: int,
    samples: int,
    T: int,
    metrics: Sequence[str],
    settings: MetricSettings,
    baselines: Sequence[Path] = (),
) -> None:
    """Measure `samples` samples of each of the first `videos` videos, and write `evaluation.metrics(…)`.

    Where a test video has fewer than T frames, metrics that need the truth count as many of each video.

    baselines: records of those that complete the same videos, from which floors are taken. Progress counts videos.
    """
    evaluation, mode = job.evaluation, job.evaluation.mode
    truth = true_videos(evaluation, job.open_videos)
    true_length = min(T, *(truth.length(video) for video in range(videos)))
    pkl, json = (evaluation.metrics(videos, samples, T, ext) for ext in ("pkl", "json"))
    with job.recorded(pkl.stem) as made:
        measurement = measure_files(
            [[evaluation.sample(video, sample) for sample in range(samples)] for video in range(videos)],
            lambda video: truth.video(video, true_length),
            mode.given("obs_length"),
            metrics,
            settings,
            job.progress,
            goals=[frame for frame in mode.goals(mode.T or T) if frame < T],
            stage_of=_stages(evaluation, T),
            store=FeatureStore(evaluation.root / FEATURES),
            length=T,
        )
        floors = read_floors(baselines, metrics, measurement.truth_sha256)
        made += write_measurement(measurement, pkl, json, floors)


def _stages(evaluation: Evaluation, T: int) -> tuple[int, ...]:
    """The stage that makes each of the first T frames, see `stages_of`; none if the mode's name tells no plan."""
    try:
        return stages_of(base_plan(evaluation.mode), T)
    except InputError:
        return ()


def draw_contact_sheet(
    path: Path | str, evaluations: Sequence[Evaluation], videos: int, open_videos: OpenVideos
) -> None:
    """Draw the first sample of the first `videos` videos of each evaluation under the true videos, as a PNG.

    The evaluations complete the same videos from the same first frames, each towards goals of its own.
    """
    first = evaluations[0].mode
    truth = true_videos(evaluations[0], open_videos)
    samples = {
        str(evaluation.mode): {video: open_sample(evaluation.sample(video, 0)) for video in range(videos)}
        for evaluation in evaluations
    }
    contact_sheet(
        path,
        {video: true_video(truth, video, first.given("T")) for video in range(videos)},
        samples,
        first.given("obs_length"),
        goals={
            str(evaluation.mode): evaluation.mode.goals(len(samples[str(evaluation.mode)][0]))
            for evaluation in evaluations
        },
    )


def true_videos(evaluation: Evaluation, open_videos: OpenVideos) -> VideoDataset:
    """The videos that an evaluation completes: of the mode's dataset, or of the one the model was trained on.

    The latter is told by `model_config.json`. Raises `InputError` if that file or the data are missing or broken, or if
    the videos are not those that the samples were made of.
    """
    mode = evaluation.mode
    videos = open_videos(mode.dataset or _trained_on(evaluation.directory / "model_config.json"), mode.split)
    if (evaluation.directory / NAME).exists():
        check_claim(evaluation.directory, videos_fingerprint(videos))
    return videos


def true_video(truth: VideoDataset, video: int, length: int) -> Video:
    """A true video of `length` frames, black where it has ended."""
    true = truth.video(video, min(length, truth.length(video)))
    frames = np.zeros((length, *true.shape[1:]), np.uint8)  # which takes no memory before it is written
    frames[: len(true)] = true
    return frames


def _trained_on(path: Path) -> str:
    with reading(path, "the settings of a model"):
        return short_text(read_json(path)["dataset"])
