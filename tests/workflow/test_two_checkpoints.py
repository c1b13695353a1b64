"""Two checkpoints in one video by the workflow: a real run that trains the second one first."""

from __future__ import annotations

import json

import numpy as np
import pytest
from seeded import TINY
from small_project import CONFIG, FOLDER

MODE = "two_4_2_9_3"
AT = f"{FOLDER}/{MODE}"
SECOND = {"run": "deep/gaps", "checkpoint": "ema_0.9999_000001"}
TRAINING = TINY | {"steps": 1, "batch_size": 1, "dataset": "bouncy_balls"}


@pytest.fixture
def project(fresh):
    modes = {"two": {"strategy": "hierarchy-2", "second": SECOND}}
    training = CONFIG["training"] | {"deep/gaps": TRAINING}
    fresh.configure(modes=modes, grid=[], training=training)
    return fresh


@pytest.mark.long
def test_the_second_checkpoint_is_trained_and_makes_its_stages(project):
    sample, elbo = f"{AT}/samples/sample_0000-0.npy", f"{AT}/elbos/elbo_0000.npy"
    project.make(sample, elbo, f"{AT}/plan.png")
    assert (project.root / "checkpoints/deep/gaps/ema_0.9999_000001.pt").is_file()

    plan = json.loads((project.root / AT / "plan.json").read_text())
    assert plan["second_checkpoint"] == "deep/gaps/ema_0.9999_000001"
    seconds = [stage.get("second", False) for stage in plan["stages"]]
    card = json.loads((project.root / AT / "plan_cost.json").read_text())
    assert card["second_stages"] == sum(seconds) == card["second_evaluations"] / 2
    records = [json.loads(file.read_text()) for file in (project.root / AT / "provenance").glob("[se]*.json")]
    assert [record["second_checkpoint"] for record in records] == [
        "checkpoints/deep/gaps/ema_0.9999_000001.pt"
    ] * 2
    rows = np.load(project.root / elbo, allow_pickle=False)
    assert len(rows) == len(seconds) and np.isfinite(rows["total_bpd"]).all()
    assert "Nothing to be done" in project.make("-n", sample, elbo, f"{AT}/plan.png")
