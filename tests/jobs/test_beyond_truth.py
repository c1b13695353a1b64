"""Samples that go on when their true videos have ended: what counts which frames, and what is shown of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from viddiff.data.base import VideoDataset
from viddiff.data.bouncy_balls import make_bouncy_balls
from viddiff.errors import InputError
from viddiff.files.write import save_npy, write_json
from viddiff.jobs.baselines import measure_baseline
from viddiff.jobs.job import Job
from viddiff.jobs.measurement import measure_samples
from viddiff.metrics.base import Facts, MetricSettings, set_metric
from viddiff.metrics.frechet import frechet_distance
from viddiff.metrics.sets import RowsOfVideos, measure_set
from viddiff.report.curves import read_curves
from viddiff.report.page.figures import curve_of
from viddiff.report.records import Record
from viddiff.tree.paths import Baseline, Evaluation

MODE, NAMES = "autoreg_8_2_60_3", ["psnr", "motion", "drift", "seam", "ball_count", "ball_speed"]
LONG = (make_bouncy_balls(4, 60, 0) * 255).astype(np.uint8).repeat(3, 2)
TRUE = 30  # frames of a true video


class Videos(VideoDataset):
    examine = file = None
    name, split = "bouncy_balls", "test"

    def __init__(self): ...

    def __len__(self):
        return len(LONG)

    def length(self, index):
        return TRUE

    def frames(self, index, start, stop):
        return LONG[index, start:stop]


def measure(mode, T, names=NAMES):
    evaluation = Evaluation.named("run", "ema_0.9999_000100", mode)
    for video in range(2):
        save_npy(evaluation.sample(video, 0), LONG[video, : evaluation.mode.T])
    write_json(evaluation.directory / "model_config.json", {"dataset": "bouncy_balls"})
    measure_samples(Job(evaluation, lambda name, split: Videos()), 2, 1, T, names, MetricSettings())
    path = evaluation.metrics(2, 1, T, "json")
    return path, json.loads(path.read_text())


def test_what_needs_the_truth_ends_with_it_and_the_rest_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, found = measure(MODE, 60)
    _, short = measure("autoreg_8_2_30_3", 30)
    assert (found["length"], found["true_length"]) == (60, TRUE)
    assert found["frames_counted"] == short["frames_counted"] == "3..29" and "true_length" not in short
    assert found["counted_beyond"] == dict.fromkeys(NAMES[1:], "3..59")
    assert found["test_videos_sha256"] == short["test_videos_sha256"]
    metrics = found["metrics"]
    assert metrics["psnr"] == short["metrics"]["psnr"]
    changes = np.abs(np.diff(LONG[:2].astype(float), axis=1)).mean((2, 3, 4)) / 255
    assert metrics["motion"]["mean"] == pytest.approx(changes[:, 3:].mean() / changes[:, 3:29].mean())
    assert metrics["ball_count"]["mean"] == pytest.approx(1)
    assert all(metrics[name]["truth"] == short["metrics"][name]["truth"] for name in NAMES[1:])
    for name, first in {"motion": 4, "drift": 3, "ball_count": 3, "ball_speed": 3}.items():
        curve = metrics[name]["curve"]
        assert curve["positions"] == list(range(first, 60)) and len(curve["truth"]) == TRUE - first
        assert curve["truth"] == short["metrics"][name]["curve"]["truth"]

    record = Record.read(path)
    assert curve_of(record, "psnr").positions[-1] == 29 and curve_of(record, "motion").positions[-1] == 59
    made, truth = read_curves([path], "ball_count").lines
    assert len(made.positions) == 57 and len(truth.positions) == len(truth.values) == 27
    assert len(read_curves([path], "psnr").lines[0].positions) == 27


def test_baselines_end_with_the_truth_beside_samples_that_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, _ = measure(MODE, 60)
    records = [
        Baseline(name, "bouncy_balls", "test", 3).metrics(2, 60) for name in ("last-frame", "other-video")
    ]
    for record in records:
        measure_baseline(record, lambda name, split: Videos(), NAMES, MetricSettings())
    made, last_frame, _, truth = read_curves([path], "motion", records).lines
    assert len(made.positions) == 56 and len(last_frame.positions) == 26 == len(truth.positions)
    assert not any(last_frame.values)


def test_a_sample_without_a_truth_beside_any_generated_frame_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"obs_length is 30; videos of 30 frames allow 0\.\.29"):
        measure("autoreg_40_2_60_30", 60)


def test_later_windows_are_compared_with_all_true_ones_together():
    rng = np.random.default_rng(0)
    made, truth = rng.normal(size=(3, 5 * 400)), rng.normal(size=(3, 2 * 400))
    positions, distances = set_metric.find("fvd_windows").curve(made, truth, Facts(0))
    pooled = truth.reshape(6, 400)
    assert positions == [0, 16, 32, 48, 64]
    assert distances == [frechet_distance(made[:, i : i + 400], pooled, 1) for i in range(0, 2000, 400)]


def test_curves_of_many_frames_are_averaged():
    rng = np.random.default_rng(0)
    rows = RowsOfVideos(rng.random((3, 25)), rng.random((3, 2, 2500)))
    curve = measure_set("motion", set_metric.find("motion"), rows, Facts(0)).curve
    values = rows.samples.mean((0, 1)) / rows.truth.mean()
    assert curve.values[:2] == pytest.approx([values[:3].mean(), values[3:6].mean()])
    assert curve.positions[:2] == (2, 5) and len(curve.positions) == 834 == len(curve.standard_errors)
    assert curve.positions[-1] == 2500 and curve.values[-1] == pytest.approx(values[-1])
    assert len(curve.truth) == 8
