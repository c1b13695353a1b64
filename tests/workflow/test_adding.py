"""docs/adding.md, followed literally: its files are written, its commands run, in a copy of the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from forked import interpreter
from PIL import Image
from small_project import PARTS, ROOT, Project

from viddiff.inference.plan import Plan, Stage

TEXT = (ROOT / "docs" / "adding.md").read_text()
FILES = re.findall(r"^`([^`\n]+)`:\n\n```[a-z]+\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```[a-z]+$", TEXT, flags=re.MULTILINE)
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
MODES = ("twice", "ends-first", "look-ahead", "gibbs-1-zigzag")
FEW = {"train": 1, "test": 1, "length": 20}  # videos
NOTHING = "Nothing to be done"
FOLDER = "results/demo/ema_0.995_002082_respaceddim2"

CHECKS = """
import math, torch, numpy
from PIL import Image
from viddiff.data import DatasetSettings, open_dataset
from viddiff.diffusion.denoiser import Estimate
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.samplers.base import sampler as samplers
from viddiff.metrics.base import Facts, MetricSettings, descriptor, metric, set_metric
from viddiff.training.masks import sample_masks
from viddiff.tree.paths import CheckpointName

assert CheckpointName.parse("ema_0.995_002082_deis-share0.5_respaceddim25").sampler == "deis-share0.5"
def error(sampler, steps):  # on a standard normal target, of which x_0 is alpha x_t and all x_t are the same
    angles = [0.49 * math.pi * (steps - i) / steps for i in range(steps)]
    levels = [Level(math.cos(angle), math.sin(angle), 0.0) for angle in angles]
    x_t = torch.ones(1, 1, 1, 1, 1, dtype=torch.float64)
    x = samplers.find(sampler)(lambda x, level: Estimate(level.alpha * x, x), x_t, levels, None)
    return abs(float(x) - 1.0)
assert error("deis", 100) < error("ddim", 100) / 10
assert error("deis", 1280) < error("deis", 640) / 3  # towards 4: second order

datasets = {"clips": DatasetSettings("picture_folders", "my/clips", image_size=32)}
clips = open_dataset("clips", "test", "data", datasets)
assert len(clips) == 1 and clips.length(0) == 20
with Image.open("data/my/clips/test/first/03.png") as picture:
    assert (clips.video(0)[3] == numpy.asarray(picture).transpose(2, 0, 1)).all()

truth = clips.video(0)
values = metric.find("mae").compute(numpy.stack([truth, 255 - truth]), truth, MetricSettings())
assert (values[0] == 0).all() and values.dtype == numpy.float64
assert numpy.allclose(values[1], abs(255 - 2.0 * truth).mean((1, 2, 3)) / 255)

rows = descriptor.find("frame-means").compute(numpy.stack([truth, 255 - truth]), 4, MetricSettings())
assert numpy.allclose(rows[1], 1 - rows[0]) and rows.shape == (2, 20)
entry = set_metric.find("brightness")
assert numpy.isclose(entry.compute(rows, rows, Facts(4)), 0.5)
assert entry.curve(rows, rows, Facts(4))[0] == [float(frame) for frame in range(4, 20)]

observed, latent = sample_masks("between-2", 20, 8, 50, numpy.random.default_rng(0))
for frames, marks in zip(observed, latent):
    first = frames.argmax()
    assert frames.nonzero()[0].tolist() == [first, first + 1, first + 6, first + 7]
    assert marks.nonzero()[0].tolist() == list(range(first + 2, first + 6))
"""


def run(command: list[str], folder: Path) -> str:
    """What a command that must succeed prints."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=Project(folder).environment() | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after all that the page says."""
    root = tmp_path_factory.mktemp("adding")
    for part in (*PARTS, "viddiff", "checkpoints"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / part)
    snakemake = root / ".venv" / "bin" / "snakemake"
    snakemake.parent.mkdir(parents=True)
    snakemake.write_text(f'#!/bin/sh\nexec {interpreter()} -m snakemake "$@"\n')
    snakemake.chmod(0o755)
    for name, content in FILES:
        file = root / name
        file.parent.mkdir(exist_ok=True)
        present = file.read_text() if file.exists() else ""
        file.write_text(present + ("\n\n" if present and name.startswith("viddiff") else "") + content)
    config = root / "config" / "config.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"bouncy_balls": FEW}))
    rng = np.random.default_rng(0)
    for number in range(20):
        file = root / "data" / "my" / "clips" / "test" / "first" / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file)
    told = [run(["bash", "-e", "-c", commands], root) for commands in COMMANDS]
    (root / "told.txt").write_text("".join(told))
    return Project(root)


def test_each_block_of_the_page_is_a_file_or_a_command():
    assert len(BLOCKS) == len(FILES) + len(COMMANDS)


@pytest.mark.long
def test_the_modes_of_the_page_are_planned_drawn_and_sampled(followed):
    plans = {
        mode: Plan.from_json((followed.root / FOLDER / f"{mode}_8_4_20_4" / "plan.json").read_text())
        for mode in MODES
    }
    for mode, plan in plans.items():
        plan.check(8)
        assert (followed.root / FOLDER / f"{mode}_8_4_20_4" / "plan.png").is_file()
    assert plans["look-ahead"].stages[:2] == (
        Stage((3, 2, 0), (4, 5, 6, 7, 11)),
        Stage((7, 6, 4, 11), (8, 9, 10, 15)),
    )
    assert len(plans["ends-first"].stages) == 6
    assert plans["twice"].stages[2] == Stage((3, 9, 10, 11), (12, 13, 14, 15))
    assert len(plans["twice"].stages) == 8
    assert plans["gibbs-1-zigzag"].stages[:2] == (
        Stage((0, 1, 2, 3), (8, 9, 10, 11)),
        Stage((2, 3, 8, 9), (4, 5, 6, 7)),
    )
    staircase = Plan.read(followed.root / FOLDER / "staircase_6_1_8_4" / "plan.json")
    assert staircase.stages[1] == Stage((0, 1, 2, 3), (4, 5), 0, 2, (1, 2), (0, 1))
    folder = followed.root / FOLDER / "gibbs-1-zigzag_8_4_20_4"
    assert np.load(folder / "samples" / "sample_0000-0.npy").shape == (20, 3, 32, 32)
    assert (
        json.loads((folder / "fingerprint.json").read_text())["plan_sha256"] == plans["gibbs-1-zigzag"].sha256
    )


@pytest.mark.long
def test_the_sampler_the_dataset_and_the_metric_of_the_page_are_used_by_the_workflow(followed):
    assert "dataset clips, test: 1 good videos, 0 problems" in (followed.root / "told.txt").read_text()
    table = pd.read_csv(followed.root / "results" / "comparison.csv")
    assert table["mode"].tolist() == ["clips_autoreg_8_4_20_4", "last frame repeated"]
    assert 0 < table["mae"][0] < 1 and table["brightness"][0] != table["brightness truth"][0]
    checkpoint = followed.root / "results" / "demo" / "ema_0.995_002082_deis_respaceddim2"
    for metric in ("mae", "brightness"):
        assert len(list(checkpoint.glob(f"{metric}_*.png"))) == 1


@pytest.mark.long
def test_the_sampler_the_masks_the_dataset_and_the_metric_of_the_page_are_right(followed):
    run([sys.executable, "-c", CHECKS], followed.root)


@pytest.mark.long
def test_a_changed_definition_is_planned_anew_until_there_are_samples(followed):
    modes = ["--configfile", "my_modes.yaml", "--"]
    plan = f"{FOLDER}/look-ahead_8_4_20_4/plan.json"
    edit(followed.root / "my_modes.yaml", "step: 4}", "step: 2}")
    assert followed.outputs(*modes, plan) == {plan}
    followed.make(*modes, plan)
    assert Plan.from_json((followed.root / plan).read_text()).stages[1].latent == (8, 9, 13)
    assert NOTHING in followed.make("-n", *modes, plan)

    folder = f"{FOLDER}/gibbs-1-zigzag_8_4_20_4"
    edit(followed.root / "my_modes" / "zigzag.py", "share=0.5", "share=0.25")
    planned = followed.refused("-n", *modes, f"{folder}/samples/sample_0001-0.npy").splitlines()[-1]
    refused = f"error: {folder} holds results of something else: plan_sha256 was '"
    assert planned.startswith(refused)
    before = (followed.root / folder / "plan.json").read_text()
    assert refused in followed.refused(*modes, f"{folder}/plan.png")
    assert (followed.root / folder / "plan.json").read_text() == before


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
