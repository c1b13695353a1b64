"""Dry runs: which jobs and files a call would make, what it refuses at once, and how long planning takes."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_project import CHECKPOINT, FOLDER, MODES, sample, samples

AUTOREG, HIERARCHY = MODES


def test_the_grid_of_a_new_project(empty):
    text = empty.make("-n")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", text, flags=re.MULTILINE))
    assert counts["sample_0_4"] == counts["sample_5_6"] == "2"
    together = ("new_gifs_0", "new_mp4s_0", "new_metrics_0", "new_plans", "new_report")
    assert [counts[name] for name in together] == ["1"] * 5
    assert "gif_0_4" not in counts and "evaluate" not in counts
    assert "train_deep_tiny" not in counts
    assert empty.outputs("samples") >= samples(AUTOREG, *range(7)) | samples(HIERARCHY, *range(7))


def test_metrics_without_curves_have_no_pictures(fresh):
    fresh.configure(metrics={"names": ["kvd"]})
    pictures = {file for file in fresh.outputs("report") if file.endswith(".png")}
    assert {Path(file).name for file in pictures} == {"contact_sheet_12_4.png", "plan.png"}


def test_metrics_by_path_need_exactly_their_samples(empty):
    # Neither the mode nor the number of videos is in the configuration.
    folder = f"results/{CHECKPOINT}/ema_0.9999_000100_ddim_respaceddim5/independent_4_2_12_4"
    made = {file for file in empty.outputs(f"{folder}/metrics_6-2-12.pkl") if file.endswith(".npy")}
    assert made == {f"{folder}/samples/sample_{video:04d}-{i}.npy" for video in range(6) for i in range(2)}


def test_planning_does_not_load_torch(fresh):
    rooms = "arguments", "call", "cluster", "config", "overview", "report_files", "training_preflight"
    modules = ", ".join(["viddiff.tree.timing", *(f"viddiff.workflow.{room}" for room in rooms)])
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=fresh.environment()).returncode == 0


def test_plans_need_no_checkpoint(empty):
    folder = "results/none/ema_0.9999_000001/hierarchy-3_20_10_300_36"
    made = {f"{folder}/{name}" for name in ("plan.json", "plan_cost.json", "plan.png")}
    assert empty.outputs(f"{folder}/plan.png") == made


def test_a_checkpoint_that_is_there_tells_its_diffusion_steps(empty):
    folder = f"results/{CHECKPOINT}/ema_0.9999_000100"
    assert f"{folder}/{AUTOREG}/model_config.json" in empty.outputs(f"{folder}/{AUTOREG}/plan_cost.json")
    assert empty.outputs(f"{folder}_respace2/{AUTOREG}/plan_cost.json") == {
        f"{folder}_respace2/{AUTOREG}/{name}" for name in ("plan.json", "plan_cost.json")
    }


def test_what_cannot_be_is_refused_at_once_in_one_line(empty):
    line = empty.refused("-n", f"{FOLDER}/{AUTOREG}/metrics_8-1-12.pkl").splitlines()[-1]
    assert line.startswith(
        f"error: {FOLDER}/{AUTOREG}: video 7 is asked for, but bouncy_balls has 7, from 0, in "
    )


def test_results_that_cannot_be_written_are_refused_in_one_line(fresh):
    (fresh.root / "logs").write_text("a file where a folder must be")
    line = fresh.refused(sample(AUTOREG, 0)).splitlines()[-1]
    assert line == "error: cannot write in logs: logs is not a folder"


def test_a_missing_checkpoint_is_trained_if_the_configuration_says_how(fresh):
    (fresh.root / "checkpoints" / CHECKPOINT / "ema_0.9999_000100.pt").unlink()
    record = f"logs/{CHECKPOINT}/trained.json"
    (fresh.root / record).parent.mkdir(parents=True)
    (fresh.root / record).write_text('{"step": 50}')  # of an earlier, shorter training
    assert fresh.outputs("train_deep_tiny") == {record}
    for name in ("ema_0.9999_000100", "model_000100"):
        target = sample(AUTOREG, 0).replace("ema_0.9999_000100", name)
        assert fresh.outputs(target) == {record, target}


@pytest.mark.parametrize(("videos", "seconds"), [(1000, 4), pytest.param(10_000, 10, marks=pytest.mark.long)])
def test_planning_is_quick(fresh, videos, seconds):
    fresh.configure(bouncy_balls={"train": 1, "test": videos, "length": 12}, sampling={"videos_per_job": 10})
    (fresh.root / "data" / "bouncy_balls" / "test.pt").unlink()
    target = f"{FOLDER}/{AUTOREG}/metrics_{videos}-1-12.pkl"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = replace(fresh, forks=False).make("-n", target)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < 2 * seconds  # of the processor; twice, since others may be at work here
    assert f"sample_0_9 {videos // 10}".split() in [line.split() for line in text.splitlines()]


def test_tables_of_another_grid_are_left_to_it_or_it_is_said(fresh):
    (fresh.root / "results").mkdir()
    (fresh.root / "results" / "plans.csv").write_text("run,checkpoint,mode\na,b,c\n")
    told = "results/plans.csv is of another grid (evaluations that this one has not: 1) and is made anew"
    assert fresh.make("-n", "plans").count(told) == 1
    (fresh.root / "wide.yaml").write_text("name: wide")
    text = fresh.make("-np", "plans", "--configfile", "wide.yaml")
    assert "results/wide/plans.csv" in text and " results/plans.csv" not in text and told not in text
