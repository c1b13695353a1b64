"""The script of a training with processes that torchrun starts: it trains, loses one, stops, goes on with one."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from train_script import run_train_script

from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.training.run_files import step_inside

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
MODES = {"zig": {"matrix": [[1, 0], [0, 0]]}}  # which processes have to be told
SETTINGS = {
    "dataset": "bouncy_balls",
    "T": 6,
    "steps": 100_000,
    "max_frames": 2,
    "batch_size": 2,
    "ema_rate": "0.9",
    "save_interval": 1,
    "save_latest_only": True,
    "num_workers": 0,
    "image_size": 32,
    "num_channels": 32,
    "num_res_blocks": 1,
    "num_heads": 1,
    "attention_resolutions": "2",
    "gpus": 2,
    "noise_levels": "zig_2_1_4_2",
}


def process_of_rank(rank: int) -> int | None:
    """The process of that rank of the training that runs."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            variables = (folder / "environ").read_bytes().split(b"\0")
            if b"train_process.py" in words and f"RANK={rank}".encode() in variables:
                return int(folder.name)
    return None


def when_saved(run_dir: Path, act) -> threading.Thread:
    """Do something as soon as a training has saved its state."""

    def wait():
        while not (run_dir / "opt_latest.pt").exists():
            time.sleep(0.1)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_torchrun_trains_loses_a_process_stops_and_goes_on(tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write_bouncy_balls(tmp_path, "train", 2, length=10)
    run_dir = tmp_path / "run"
    when_saved(run_dir, lambda: os.kill(process_of_rank(1), signal.SIGKILL))
    assert run_train_script(tmp_path, tmp_path, SETTINGS, 2, MODES) == 1
    line = caplog.messages[-1]
    assert line.startswith("error: a process of the training, 1 of 2, on ") and "died" in line
    step = step_inside(run_dir / "ema_0.9_latest.pt")
    assert f"the same call goes on from the newest checkpoint, of step {step}, with any number" in line
    assert "Traceback" not in capfd.readouterr().err

    when_saved(run_dir, lambda: (time.sleep(2), os.kill(os.getpid(), signal.SIGTERM)))
    assert run_train_script(tmp_path, tmp_path, SETTINGS, 2, MODES) == 3
    assert " of 100000, saved; the same call goes on from there" in caplog.messages[-1]
    reached = step_inside(run_dir / "ema_0.9_latest.pt")
    assert reached >= step

    assert run_train_script(tmp_path, tmp_path, SETTINGS | {"steps": reached + 1, "gpus": 1}, 2, MODES) == 0
    assert json.loads((tmp_path / "trained.json").read_text()) == {"step": reached + 1}
    assert sorted(path.name for path in run_dir.iterdir()) == [
        "batch.png", "ema_0.9_latest.pt", "log.csv", "model_latest.pt", "opt_latest.pt", "validation.csv"
    ]  # fmt: skip
