"""Baselines: what no model makes, measured on the true videos."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from viddiff.data.base import VideoDataset
from viddiff.errors import InputError
from viddiff.files.write import save_npy, write_json
from viddiff.jobs.baselines import measure_baseline, read_floors
from viddiff.jobs.job import Job
from viddiff.jobs.measurement import measure_samples
from viddiff.metrics.base import MetricSettings
from viddiff.tree.paths import Baseline, Evaluation

T = 8
LAST, OTHER = (Baseline(name, "grey", "test", 2).metrics(2, T) for name in ("last-frame", "other-video"))


class Grey(VideoDataset):
    """Videos of one grey level, which rises by one from frame to frame; those of the training set are inverse."""

    examine = file = None

    def __init__(self, split, count, length=T):
        self.name, self.split, self.count, self.frames_of = "grey", split, count, length

    def __len__(self):
        return self.count

    def length(self, index):
        return self.frames_of

    def frames(self, index, start, stop):
        levels = (10 * index + np.arange(start, stop)).astype(np.uint8)
        levels = 255 - levels if self.split == "train" else levels
        return np.broadcast_to(levels[:, None, None, None], (stop - start, 3, 8, 8)).copy()


def opening(test=4, train=0, length=T):
    counts = {"test": test, "train": train}

    def open_videos(name, split):
        if not counts[split]:
            raise InputError(f"dataset {name}: no folder {split}")
        return Grey(split, counts[split], T if split == "test" else length)

    return open_videos


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def measured(path, open_videos, metrics=("psnr",)):
    measure_baseline(path, open_videos, metrics, MetricSettings())
    return json.loads(path.read_text())


def db(levels):
    return 20 * math.log10(255 / levels)


def test_baselines_are_measured_as_samples_are():
    content = measured(LAST, opening())
    off = [frame - 1 for frame in range(2, T)]  # grey levels below the truth
    assert content["metrics"]["psnr"]["per_frame"] == pytest.approx([db(level) for level in off], rel=1e-5)
    assert (content["videos"], content["samples_per_video"], content["obs_length"]) == (2, 1, 2)
    assert content["baseline"] == "last frame repeated" and len(content["samples"]) == 2
    content = measured(OTHER, opening())
    assert content["others"] == "videos 2..3 of the test set"
    assert content["metrics"]["psnr"]["per_frame"] == pytest.approx([db(20)] * (T - 2))
    goals = measured(Baseline("last-frame", "grey", "test", 2, goals=3).metrics(1, T), opening())
    assert goals["goals"] == [5, 6, 7]
    assert goals["metrics"]["psnr"]["per_frame"] == pytest.approx(
        [db(level) for level in (1, 2, 3)], rel=1e-5
    )


def test_other_videos_are_of_the_training_set_where_test_videos_are_few():
    assert measured(OTHER, opening(test=3, train=2))["others"] == "videos 0..1 of the train set"
    for sets, reasons in (
        ({"test": 3}, ("the test set has 3 videos, 4 are needed", "no folder train")),
        ({"test": 3, "train": 1}, ("the train set has 1 videos, 2 are needed",)),
        ({"test": 3, "train": 2, "length": 5}, ("video 0 of the train set has 5 frames, not 8",)),
    ):
        content = measured(OTHER, opening(**sets))
        assert content["missing"].startswith("no 2 other true videos: ") and "metrics" not in content
        assert all(reason in content["missing"] for reason in reasons)
    trained = Baseline("other-video", "grey", "train", 2).metrics(2, T)
    assert "the train set has 3 videos" in measured(trained, opening(test=9, train=3))["missing"]


def test_floors_are_those_of_other_true_videos_of_the_same_data():
    content = measured(OTHER, opening())
    sha, psnr = content["test_videos_sha256"], content["metrics"]["psnr"]
    floor = {"mean": psnr["mean"], "standard_error_videos": psnr["standard_error_videos"], "videos": 2}
    assert read_floors([LAST, OTHER], ["psnr"], sha) == {"psnr": floor}
    assert read_floors([], ["psnr"], sha) == {}
    assert "of other test videos: remove it" in read_floors([OTHER], ["psnr"], "f" * 64)["psnr"]["missing"]
    measured(OTHER, opening(test=3))
    assert read_floors([OTHER], ["psnr"], sha)["psnr"]["missing"].startswith("no 2 other")


def test_a_metric_that_is_not_defined_for_other_videos_has_no_floor():
    sha = measured(OTHER, opening(), ["psnr", "seam"])["test_videos_sha256"]
    floors = read_floors([OTHER], ["psnr", "seam", "fvd"], sha)
    assert floors["seam"]["missing"].startswith("not defined: ") and set(floors) == {"psnr", "seam"}


@pytest.mark.long
def test_the_floor_of_kvd_stands_in_the_metrics_of_samples(monkeypatch):
    def rows(name, videos, obs_length, settings, names, store=None):
        return videos[:, :, 0, 0, 0].astype(np.float64)

    monkeypatch.setattr("viddiff.metrics.measurement.describe_videos", rows)
    evaluation = Evaluation.named("run", "ema_0.9999_000100", f"autoreg_4_2_{T}_2")
    open_videos = opening()
    for video in range(2):
        save_npy(evaluation.sample(video, 0), Grey("test", 4).video(video, T))
    write_json(evaluation.directory / "model_config.json", {"dataset": "grey"})
    assert "floor" not in measured(OTHER, open_videos, ["kvd"])["metrics"]["kvd"]  # it is one
    measure_samples(Job(evaluation, open_videos), 2, 1, T, ["kvd", "psnr"], MetricSettings(), [LAST, OTHER])
    metrics = json.loads(evaluation.metrics(2, 1, T, "json").read_text())["metrics"]
    assert metrics["kvd"]["floor"]["mean"] > 0 > metrics["kvd"]["mean"] and "floor" not in metrics["psnr"]
