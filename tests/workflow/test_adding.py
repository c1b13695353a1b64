"""docs/adding.md, followed literally: its files are written, its commands run, in a copy of the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_project import PARTS, ROOT, Project

from viddiff.inference.plan import Plan, Stage

TEXT = (ROOT / "docs" / "adding.md").read_text()
FILES = re.findall(r"^`([^`\n]+)`:\n\n```[a-z]+\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
MODES = ("twice", "ends-first", "look-ahead", "gibbs-1-zigzag")
NOTHING = "Nothing to be done"
FOLDER = "results/demo/ema_0.999_004181_respaceddim2"

CHECKS = """
import math, torch, numpy
from pathlib import Path
from PIL import Image
from viddiff.data import DatasetSettings, open_dataset
from viddiff.diffusion.denoiser import Estimate
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.samplers import sampler as samplers
from viddiff.metrics.base import MetricSettings, metric
from viddiff.tree.paths import CheckpointName

assert CheckpointName.parse("ema_0.999_004181_dpm_respaceddim25").sampler == "dpm"
def error(sampler, steps):  # on a standard normal target, of which x_0 is alpha x_t and all x_t are the same
    angles = [0.49 * math.pi * (steps - i) / steps for i in range(steps)]
    levels = [Level(math.cos(angle), math.sin(angle), 0.0) for angle in angles]
    x_t = torch.ones(1, dtype=torch.float64)
    x = samplers.find(sampler)(lambda x, level: Estimate(level.alpha * x), x_t, levels, None, "small")
    return abs(float(x) - 1.0)
assert error("dpm", 100) < error("ddim", 100) / 40
assert error("dpm", 1280) < error("dpm", 640) / 3  # towards 4: second order

pictures = numpy.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=numpy.uint8)
for number, picture in enumerate(pictures):
    file = Path("data/my/clips/test/first", f"{number}.png")
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(file)
datasets = {"clips": DatasetSettings("picture_folders", "my/clips", image_size=8)}
clips = open_dataset("clips", "test", "data", datasets)
assert len(clips) == 1 and clips.length(0) == 3
assert (clips.video(0) == pictures.transpose(0, 3, 1, 2)).all()

truth = clips.video(0)
values = metric.find("mae").compute(numpy.stack([truth, 255 - truth]), truth, MetricSettings())
assert (values[0] == 0).all() and values.dtype == numpy.float64
assert numpy.allclose(values[1], abs(255 - 2.0 * truth).mean((1, 2, 3)) / 255)
"""


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=Project(folder).environment() | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after all that the page says."""
    root = tmp_path_factory.mktemp("adding")
    for part in (*PARTS, "viddiff", "checkpoints"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / part)
    (root / ".venv").symlink_to(sys.prefix)
    for name, content in FILES:
        file = root / name
        file.parent.mkdir(exist_ok=True)
        present = file.read_text() if file.exists() else ""
        file.write_text(present + ("\n\n" if name.endswith("samplers.py") else "") + content)
    for commands in COMMANDS:
        run(["bash", "-e", "-c", commands], root)
    return Project(root)


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
    folder = followed.root / FOLDER / "gibbs-1-zigzag_8_4_20_4"
    assert np.load(folder / "samples" / "sample_0000-0.npy").shape == (20, 3, 32, 32)
    assert (
        json.loads((folder / "fingerprint.json").read_text())["plan_sha256"] == plans["gibbs-1-zigzag"].sha256
    )


def test_the_sampler_the_dataset_and_the_metric_of_the_page_work(followed):
    run([sys.executable, "-c", CHECKS], followed.root)


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
