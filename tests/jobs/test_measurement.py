"""Contact sheets of evaluations."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from viddiff.data import DatasetSettings, open_dataset
from viddiff.data.base import VideoDataset
from viddiff.errors import InputError
from viddiff.files.write import save_npy, write_json
from viddiff.jobs.job import Job
from viddiff.jobs.measurement import draw_contact_sheet, measure_samples, true_videos
from viddiff.jobs.prepare import videos_fingerprint
from viddiff.metrics.base import MetricSettings
from viddiff.render import contact_sheet
from viddiff.tree.fingerprint import claim
from viddiff.tree.paths import Evaluation

MODES = ("autoreg_8_2_12_3", "goal-directed-autoreg_8_2_12_3", "goal-directed-mixed_8_2_12_3")


class Videos(VideoDataset):
    """Black videos."""

    examine = file = None

    def __init__(self): ...

    def __len__(self):
        return 2

    def length(self, index):
        return 12

    def frames(self, index, start, stop):
        return np.zeros((stop - start, 3, 8, 8), np.uint8)


def test_each_row_of_a_sheet_marks_the_goals_of_its_mode(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [Evaluation.named("run", "ema_0.9999_000100", mode) for mode in MODES]
    black = {0: Videos().video(0, 12)}
    for run in runs:
        save_npy(run.sample(0, 0), black[0])
    write_json(runs[0].directory / "model_config.json", {"dataset": "black"})
    draw_contact_sheet("found.png", runs, 1, lambda name, split: {"black": Videos()}[name])
    goals = {MODES[1]: (7, 8, 9, 10, 11), MODES[2]: (11,)}
    contact_sheet("expected.png", black, dict.fromkeys(MODES, black), 3, goals=goals)
    assert (tmp_path / "found.png").read_bytes() == (tmp_path / "expected.png").read_bytes()


def test_a_measurement_leaves_a_record_that_names_the_device(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluation = Evaluation.named("run", "ema_0.9999_000100", MODES[2])
    done = []
    job = Job(
        evaluation, lambda name, split: Videos(), origin={"host": "here"}, progress=lambda *n: done.append(n)
    )
    for video in range(2):
        save_npy(evaluation.sample(video, 0), Videos().video(video, 12))
    write_json(evaluation.directory / "model_config.json", {"dataset": "black"})
    measure_samples(job, 2, 1, 12, ["psnr", "motion"], MetricSettings())
    (record,) = evaluation.directory.glob("provenance/metrics_2-1-12-*.json")
    content = json.loads(record.read_text())
    assert (
        content["device"].startswith("cpu (") and content["host"] == "here" and content["outcome"] == "done"
    )
    assert content["made"] == [f"metrics_2-1-12.{ext}" for ext in ("pkl", "json", "npz")]
    assert done == [(1, 2), (2, 2)]
    found = json.loads(evaluation.metrics(2, 1, 12, "json").read_text())
    assert found["goals"] == [11] and found["metrics"]["motion"]["undefined"]
    with np.load(evaluation.metrics(2, 1, 12, "npz"), allow_pickle=False) as rows:
        assert rows["changes.truth"].shape[0] == 2 and rows["changes.samples"].shape[:2] == (2, 1)


def test_an_evaluation_knows_the_stages_of_its_frames(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluation = Evaluation.named("run", "ema_0.9999_000100", MODES[0])
    moving = np.random.default_rng(0).integers(0, 9, (1, 12, 3, 8, 8), np.uint8).cumsum(1).astype(np.uint8)
    monkeypatch.setattr(Videos, "frames", lambda self, index, start, stop: moving[0, start:stop])
    for video in range(2):
        save_npy(evaluation.sample(video, 0), moving[0])
    write_json(evaluation.directory / "model_config.json", {"dataset": "moving"})
    measure_samples(Job(evaluation, lambda name, split: Videos()), 2, 1, 11, ["seam"], MetricSettings())
    seam = json.loads(evaluation.metrics(2, 1, 11, "json").read_text())["metrics"]["seam"]
    assert seam["mean"] == seam["truth"]["mean"] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"stride": 1, "fit": "crop"}, None),
        ({"stride": 2}, "is now .*'intake': {'stride': 2}"),
        ({"interpolation": "area"}, "'intake': {'interpolation': 'area'}"),
        ("1.npy", "video 1 of the dataset is another file, or was changed .*take video_stamps out of"),
        ("-.npy", "video 0 of the dataset is another file"),
        ("9.npy", None),
    ],
)
def test_samples_are_measured_by_the_videos_that_they_were_made_of(tmp_path, monkeypatch, changes, message):
    monkeypatch.chdir(tmp_path)
    evaluation = Evaluation.named("run", "ema_0.9999_000100", MODES[0])
    for video in range(2):
        save_npy(Path(f"own/test/{video}.npy"), np.full((24, 8, 8, 3), video, np.uint8))

    def videos(name, split, **more):
        settings = DatasetSettings("video_folder", name, image_size=8, **more)
        return open_dataset(name, split, ".", {name: settings})

    claim(evaluation.directory, videos_fingerprint(videos("own", "test")))
    write_json(evaluation.directory / "model_config.json", {"dataset": "own"})
    more = changes if isinstance(changes, dict) else {}
    if changes in ("-.npy", "1.npy", "9.npy"):
        save_npy(Path("own/test", changes), np.full((24, 8, 8, 3), 1, np.uint8))
    with nullcontext() if message is None else pytest.raises(InputError, match=message):
        true_videos(evaluation, lambda *name: videos(*name, **more))
