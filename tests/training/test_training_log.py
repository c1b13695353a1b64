from __future__ import annotations

import csv
import logging
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from viddiff.diffusion.loss import Losses
from viddiff.errors import OutputError
from viddiff.training.log import averaging_log, csv_log, quartile_means, wandb_log
from viddiff.training.run_files import LOG_COLUMNS


def row(step: int) -> dict[str, float]:
    return dict.fromkeys(LOG_COLUMNS, 0.5) | {"step": step}


def steps(path) -> list[int]:
    with open(path, newline="") as file:
        return [int(line["step"]) for line in csv.DictReader(file)]


def test_quartiles_of_the_diffusion_step():
    means = quartile_means([1.0, 3.0, 5.0, 7.0, 9.0], [0, 24, 25, 50, 99], 100)
    assert list(means.values()) == [2.0, 5.0, 7.0, 9.0]
    assert math.isnan(quartile_means([1.0], [99], 100)["loss_q0"])


def test_rows_are_means_since_the_last():
    rows = []
    record = averaging_log(2, 100, [rows.append])
    for step in range(1, 6):
        losses = Losses(torch.tensor([float(step), step + 2.0]), torch.tensor([1.0, 1.0]))
        record(step, losses, torch.tensor([10, 90]), 3.0 * step, 0.1)
    assert [(r["step"], r["loss"], r["loss_q0"], r["loss_q3"], r["grad_norm"]) for r in rows] == [
        (2, 2.5, 1.5, 3.5, 4.5),
        (4, 4.5, 3.5, 5.5, 10.5),
    ]
    assert rows[0].keys() == set(LOG_COLUMNS)
    assert all(r["seconds_per_step"] > 0 for r in rows)


def test_rows_after_the_resumed_step_are_dropped(tmp_path):
    path = tmp_path / "run" / "log.csv"
    log = csv_log(path, LOG_COLUMNS, 0)
    for step in (10, 20, 30):
        log(row(step))
    with open(path, "a") as file:
        file.write("40,0.5,0.")  # killed while writing
    csv_log(path, LOG_COLUMNS, 20)(row(25))
    assert steps(path) == [10, 20, 25]
    assert csv_log(path, LOG_COLUMNS, 0) and steps(path) == []


def test_large_steps_are_written_in_full(tmp_path):
    csv_log(tmp_path / "log.csv", LOG_COLUMNS, 0)(row(12345678))
    assert steps(tmp_path / "log.csv") == [12345678]


def test_an_unwritable_log(tmp_path):
    log = csv_log(tmp_path / "log.csv", LOG_COLUMNS, 0)
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(OutputError, match=r"log\.csv"):
        log(row(1))


def test_wandb_gets_the_rows(tmp_path, monkeypatch):
    sent, settings = [], {}

    def init(**arguments):
        settings.update(arguments)
        return SimpleNamespace(log=lambda values, step: sent.append((step, values)))

    kinds = {"Image": lambda path: f"image {path}", "Video": lambda path: f"video {path}"}
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, **kinds))
    log = wandb_log(tmp_path / "group" / "abc123", "offline", {"lr": 1.0})
    log(row(3) | {"loss_q0": math.nan})
    log({"step": 4, "valid_rmse": 0.5, "samples.png": Path("a.png"), "samples.mp4": Path("a.mp4")})
    assert (settings["id"], settings["mode"], settings["config"]) == ("abc123", "offline", {"lr": 1.0})
    assert sent[0][0] == 3 and "loss_q0" not in sent[0][1]
    files = {"samples.png": "image a.png", "samples.mp4": "video a.mp4"}
    assert sent[1] == (4, {"step": 4, "valid_rmse": 0.5} | files)


@pytest.mark.parametrize("fails_at", ["import", "init", "log"])
def test_a_wandb_failure_is_reported_once(tmp_path, monkeypatch, caplog, fails_at):
    def fail(*_, **__):
        raise RuntimeError("no network")

    module = SimpleNamespace(
        Image=str, Video=str, init=fail if fails_at == "init" else lambda **_: SimpleNamespace(log=fail)
    )
    monkeypatch.setitem(sys.modules, "wandb", None if fails_at == "import" else module)
    with caplog.at_level(logging.WARNING):
        log = wandb_log(tmp_path, "offline", {})
        for step in range(3):
            log(row(step))
    assert len(caplog.records) == 1
