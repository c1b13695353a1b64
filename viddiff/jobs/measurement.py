"""From an evaluation directory to metrics and contact sheets: its samples, the true videos behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from viddiff.data import VideoDataset, open_dataset
from viddiff.errors import reading
from viddiff.files.json_files import read_json, short_text
from viddiff.metrics.base import MetricSettings
from viddiff.metrics.measure import Measurement, measure_files
from viddiff.render.sheet import contact_sheet
from viddiff.tree.paths import Evaluation
from viddiff.tree.samples import load_sample
from viddiff.workflow.config import Configuration


def open_videos(evaluation: Evaluation, config: Configuration) -> VideoDataset:
    """The videos that an evaluation completes: of the mode's dataset, or of the one the model was trained on.

    The latter is told by `model_config.json`. Raises `InputError` if that file or the data are missing or
    broken.
    """
    mode = evaluation.mode
    dataset = mode.dataset or _trained_on(evaluation.directory / "model_config.json")
    split = "train" if mode.trainset else "test"
    return open_dataset(dataset, split, config.data_root, config.datasets, config.data_cache)


def measure_samples(
    evaluation: Evaluation,
    videos: int,
    samples: int,
    T: int,
    config: Configuration,
    settings: MetricSettings,
) -> Measurement:
    """Measure `samples` samples of each of the first `videos` videos by the configured metrics."""
    truth = open_videos(evaluation, config)
    mode = evaluation.mode
    return measure_files(
        [[evaluation.sample(video, sample) for sample in range(samples)] for video in range(videos)],
        lambda video: truth.video(video, T),
        mode.obs_length,
        config.metrics.names,
        settings,
        goals=[frame for frame in mode.goals(mode.T or T) if frame < T],
    )


def draw_contact_sheet(
    path: Path | str, evaluations: Sequence[Evaluation], videos: int, config: Configuration
) -> None:
    """Draw the first sample of the first `videos` videos of each evaluation under the true videos, as a PNG.

    The evaluations complete the same videos from the same first frames, each towards goals of its own.
    """
    modes = {str(evaluation.mode): evaluation.mode for evaluation in evaluations}
    mode = evaluations[0].mode
    truth = open_videos(evaluations[0], config)
    samples = {
        str(evaluation.mode): {video: load_sample(evaluation.sample(video, 0)) for video in range(videos)}
        for evaluation in evaluations
    }
    contact_sheet(
        path,
        {video: truth.video(video, mode.T) for video in range(videos)},
        samples,
        mode.obs_length,
        goals={name: modes[name].goals(len(shown[0])) for name, shown in samples.items()},
    )


def _trained_on(path: Path) -> str:
    with reading(path, "the settings of a model"):
        return short_text(read_json(path)["dataset"])
