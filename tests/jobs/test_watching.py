"""What is seen of a training: pictures, figures on test videos, estimates; and that the training does not notice."""

from __future__ import annotations

import csv
import logging
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from tiny import SETTINGS, SMALL, make_data, open_data

from viddiff.checkpoint import load_checkpoint
from viddiff.data import open_dataset
from viddiff.inference.modes import parse_mode
from viddiff.jobs import look, watching
from viddiff.jobs.look import figures, mode_of
from viddiff.jobs.watching import TrainingWatch
from viddiff.training.config import training_config
from viddiff.training.estimate import MEASURED, SETTLING, Pace, needs
from viddiff.training.loading import training_windows
from viddiff.training.loop import train
from viddiff.training.run_files import VALIDATION_COLUMNS
from viddiff.training.run_state import TrainingState

CPU = torch.device("cpu")
CHANGES = SETTINGS | SMALL | {"T": 3, "sample_interval": 2, "save_interval": 2, "steps": 4}


class Told:
    """What a person would see."""

    def __init__(self):
        self.lines, self.rows = [], []


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    make_data(root)
    return root


def held_out_videos(root):
    return open_dataset("bouncy_balls", "test", root)


def watched(root, run, held_out, **changes):
    config, told = training_config(CHANGES | changes), Told()
    watch = TrainingWatch(config, run, CPU, held_out, told.lines.append, told.rows.append)
    train(config, open_data(root), run, watch=watch)
    return told


def looks(run) -> list[dict[str, str]]:
    with open(run / "validation.csv", newline="") as file:
        return list(csv.DictReader(file))


def same_weights(one, other, name) -> bool:
    """Bit for bit; the files differ in the settings that they hold."""
    first, second = (load_checkpoint(run / name).state_dict for run in (one, other))
    return first.keys() == second.keys() and all(first[key].equal(second[key]) for key in first)


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    watched(root, run, held_out_videos(root), steps=2)
    return run, watched(root, run, held_out_videos(root))


@pytest.mark.long
def test_the_training_does_not_notice_how_often_it_is_looked_at(root, run, tmp_path):
    watched(root, tmp_path, held_out_videos(root), sample_interval=4)
    for kind in ("model", "ema_0.9"):
        assert same_weights(tmp_path, run[0], f"{kind}_000004.pt")
    assert looks(tmp_path) == looks(run[0])[1:]


def test_figures_of_each_look_over_resumptions(run):
    rows = looks(run[0])
    assert [row["step"] for row in rows] == ["2", "4"]
    assert tuple(rows[0]) == VALIDATION_COLUMNS
    values = np.array([[float(row[name]) for name in VALIDATION_COLUMNS[1:]] for row in rows])
    assert np.isfinite(values).all() and (values > 0).all()
    assert values[:, 0] == pytest.approx(values[:, 1:5].mean(1), rel=1e-4)


def test_pictures(run):
    names = ["batch.png", "curves.png", "samples_000002.png", "samples_000004.png"]
    for name in names:
        assert Image.open(run[0] / name).size > (100, 100)
    assert (run[0] / "samples_000004.mp4").stat().st_size > 1000


@pytest.mark.parametrize("levels", ["per_frame", "rolling-2_2_1_6_2"])
def test_a_training_with_a_level_for_each_frame_is_watched_too(root, tmp_path, levels):
    watched(root, tmp_path, held_out_videos(root), steps=2, noise_levels=levels)
    assert Image.open(tmp_path / "batch.png").size > (100, 100)
    assert all(np.isfinite(float(looks(tmp_path)[0][name])) for name in VALIDATION_COLUMNS)


def test_a_batch_is_drawn_with_the_noise_on_its_observed_frames(root, tmp_path, monkeypatch):
    drawn, model = [], torch.nn.Linear(1, 1)
    monkeypatch.setattr(watching, "draw_batch", lambda path, window, t, seen: drawn.append((window, seen)))
    for most in (0.0, 0.5):
        config = training_config(
            CHANGES | {"observed_noise": most, "mask_distribution": "autoregressive-1", "batch_size": 4}
        )
        window = next(training_windows(config, open_data(root), 0))
        watch = TrainingWatch(config, tmp_path, CPU, None, print, print)
        watch.loads(TrainingState(model, torch.optim.SGD(model.parameters()), {}), window)
    (window, clean), (_, noised) = drawn
    observed = window.observed
    assert torch.equal(clean[observed], window.frames[observed])
    assert torch.equal(clean[~observed], noised[~observed])
    apart = (
        (clean - noised)[observed].square().mean((1, 2, 3)).sqrt()
    )  # by window, each of a level of its own
    assert (apart > 0).all() and (apart < 0.6).all() and len(set(apart.tolist())) == 4


def test_what_is_said(run):
    told = run[1]
    assert (
        told.lines[0].startswith("1.9 M parameters; sets of files to come: 1 of ") and "free" in told.lines[0]
    )
    assert [row["step"] for row in told.rows] == [3, 4]


def test_without_test_videos_there_are_curves_alone(root, run, tmp_path):
    watched(root, tmp_path, None, steps=2)
    assert (tmp_path / "curves.png").exists() and looks(tmp_path) == []
    assert same_weights(tmp_path, run[0], "model_000002.pt")


def test_test_videos_that_cannot_be_read_end_no_training(root, tmp_path, caplog, monkeypatch):
    def unreadable(*_):
        raise OSError("no such videos")

    held_out = held_out_videos(root)
    monkeypatch.setattr(type(held_out), "video", unreadable)
    monkeypatch.setattr(look, "TrainingWindows", lambda *_: SimpleNamespace(batch=unreadable))
    with caplog.at_level(logging.WARNING):
        watched(root, tmp_path, held_out, steps=2)
    assert (tmp_path / "model_000002.pt").exists()
    assert all(math.isnan(float(looks(tmp_path)[0][name])) for name in VALIDATION_COLUMNS[1:])
    assert caplog.messages.count("step 2, test videos: no such videos") == 2


def test_a_look_for_which_memory_does_not_suffice_ends_no_training(root, tmp_path, caplog, monkeypatch):
    def full(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(look.Look, "samples", full)
    with caplog.at_level(logging.WARNING):
        watched(root, tmp_path, held_out_videos(root), steps=2)
    assert (tmp_path / "model_000002.pt").exists()
    assert any("test videos: CUDA out of memory" in message for message in caplog.messages)


def test_a_training_that_is_told_to_stop_does_not_look_first(root, tmp_path):
    config, said = training_config(CHANGES | {"sample_interval": 1}), []
    watch = TrainingWatch(config, tmp_path, CPU, held_out_videos(root), said.append, lambda row: None)
    train(config, open_data(root), tmp_path, watch=watch, stop=lambda: True)
    assert (tmp_path / "opt_000001.pt").exists() and looks(tmp_path) == []


def test_figures_are_those_of_the_definitions():
    mode = parse_mode("autoreg_3_1_5_2")
    truth = np.zeros((1, 5, 1, 2, 2), np.uint8)
    truth[0, :, 0, 0, 0] = [0, 10, 20, 30, 40]
    made = truth.copy()
    made[0, :, 0, 0, 0] = [0, 10, 20, 50, 80]
    found = figures(made, truth, mode)
    assert found["rmse"] == pytest.approx(math.sqrt((20**2 + 40**2) / 12) / 255)
    assert found["motion"] == pytest.approx(3.0)
    still = np.zeros_like(truth)
    assert figures(made, still, mode).keys() == {"rmse"}


@pytest.mark.parametrize(
    ("frames", "name"), [(1, "autoreg_1_1_6_0"), (3, "autoreg_3_1_6_2"), (6, "autoreg_6_3_6_3")]
)
def test_the_mode_of_a_look(frames, name):
    assert str(mode_of(training_config(SETTINGS | {"max_frames": frames}))) == name


def test_needs_count_the_sets_that_stay(tmp_path):
    config = training_config(SETTINGS | {"steps": 8, "save_interval": 2, "ema_rate": "0.9"})
    assert "sets of files to come: 4 of 16 MB, together 64 MB" in needs(config, 1_000_000, tmp_path, 0)
    assert "sets of files to come: 2 of" in needs(config, 1_000_000, tmp_path, 4)
    several = training_config(SETTINGS | {"gpus": 2})
    assert "parameters, trained by 2 processes with 1 of 2 windows each; sets" in needs(
        several, 1, tmp_path, 0
    )
    few = training_config(SETTINGS | {"steps": 8, "save_interval": 2, "keep_last": 1, "keep_every": 4})
    assert "sets of files to come: 2 of 20 MB, together 40 MB" in needs(few, 1_000_000, tmp_path, 0)


def test_the_pace_is_said_once(monkeypatch):
    now = iter(range(0, 1000, 2))
    monkeypatch.setattr("viddiff.training.estimate.time.monotonic", lambda: next(now) * MEASURED)
    said = []
    pace = Pace(training_config(SETTINGS | {"steps": 1000}), CPU, said.append)
    for step in range(101, 130):
        pace(step)
    assert len(said) == 1
    left = 1000 - (100 + SETTLING + MEASURED)
    assert said[0].startswith("2 s a step, ") and f": step 1000 in {round(2 * left / 60)} min, " in said[0]
