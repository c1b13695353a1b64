"""Real runs: what is missing gets made, and a finished file is never deleted, overwritten or made again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from seeded import TINY
from small_project import (
    CHECKPOINT,
    CONFIG,
    FOLDER,
    MODES,
    ROOT,
    Project,
    sample,
    samples,
    save_tiny,
)

AUTOREG, HIERARCHY = MODES
FOUR = samples(AUTOREG, *range(4))
NOTHING = "Nothing to be done"


def test_the_grid_is_made_whole(finished):
    assert NOTHING in finished.make("-n")
    assert set(finished.samples()) == samples(AUTOREG, *range(7)) | samples(HIERARCHY, *range(7))
    for mode in MODES:
        folder = finished.root / FOLDER / mode
        for ext in ("gif", "mp4"):
            assert len(list((folder / "videos").glob(f"*.{ext}"))) == 7
        assert np.load(finished.root / sample(mode, 6)).shape == (12, 3, 32, 32)
        assert json.loads((folder / "metrics_7-1-12.json").read_text())["videos"] == 7
        assert json.loads((folder / "model_config.json").read_text())["dataset"] == "bouncy_balls"
        assert (folder / "plan.png").is_file()
        card = json.loads((folder / "plan_cost.json").read_text())
        assert (card["diffusion_steps"], card["estimates"]) == (2, [])
        assert len(list((folder / "timings").glob("samples_0000-0-*.json"))) == 1
    for name, count in (("plans.csv", 3), ("plans.txt", 7)):
        assert len((finished.root / "results" / name).read_text().splitlines()) == count
    assert (finished.root / "results" / "plans.png").is_file()
    table = (finished.root / "results" / "comparison.csv").read_text().splitlines()
    assert len(table) == 4 and table[3].startswith(",,last frame repeated,")
    others = finished.root / "results/.baselines/bouncy_balls/test/other-video_4/metrics_7-1-12.json"
    assert "the test set has 7 videos, 14 are needed" in json.loads(others.read_text())["missing"]
    pairs = (finished.root / "results" / "comparison_pairs.txt").read_text()
    assert f"A  {AUTOREG}" in pairs and "psnr [dB]  A - B" in pairs
    for picture in ("contact_sheet_12_4.png", "psnr_12_4.png", "modes_0000_12_4.mp4", "modes_0001_12_4.mp4"):
        assert (finished.root / FOLDER / picture).is_file()


def test_a_call_for_plans_brings_their_cost_up_to_date(done):
    assert done.outputs("plans") >= {f"{FOLDER}/{mode}/plan_cost.json" for mode in MODES}
    target = f"{FOLDER}/{AUTOREG}/plan_cost.json"
    done.make(target)
    (estimate,) = json.loads((done.root / target).read_text())["estimates"]
    assert len(estimate["timings"]) == 4  # two jobs of each mode
    assert NOTHING in done.make("-n", target)


def test_a_sample_can_be_shown_by_its_plan_beside_its_truth_and_in_a_grid(done):
    names = "plans/sample_0003-0.png", "videos/beside-truth_0003-0.mp4", "videos/grid_3-1.mp4"
    targets = [f"{FOLDER}/{AUTOREG}/{name}" for name in names]
    targets.append(f"{FOLDER}/modes_0006_12_4.mp4")  # not shown in the report
    assert done.outputs(*targets) == {*targets}
    done.make(*targets)
    assert all((done.root / target).is_file() for target in targets)
    refused = done.refused("-n", f"{FOLDER}/modes_0007_12_4.mp4").splitlines()[-1]
    assert refused == "error: video 7 is asked for, but the configured grid has 7 in all modes, from 0"


def test_snakemakes_report_shows_what_is_what(finished, tmp_path):
    """Its entries have names of their own, captions, and animations of the videos on the contact sheets."""
    finished.make("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
    assert "completed by a video diffusion model in several inference" in page
    entries, _ = json.JSONDecoder().raw_decode(page[page.index("{", page.index('<script id="results">')) :])
    names = [tuple(sorted(entry["labels"].items())) for entry in entries.values()]
    assert len(set(names)) == len(names) and all(entry["caption"] for entry in entries.values())
    own = {"run": CHECKPOINT, "checkpoint": FOLDER.rpartition("/")[2]}
    assert entries[f"{FOLDER}/contact_sheet_12_4.png"]["labels"] == own | {"videos": "12_4"}
    assert entries[f"{FOLDER}/{AUTOREG}/plan.png"]["labels"] == own | {"mode": AUTOREG}
    animations = {name for name in entries if name.endswith(".gif")}
    assert animations == {
        f"{FOLDER}/{mode}/videos/sample_000{video}-0.gif" for mode in MODES for video in (0, 1)
    }
    assert "results/comparison.csv" in entries


def test_a_deleted_sample_alone_is_missing_and_made(done):
    before = done.samples()
    (done.root / sample(AUTOREG, 3)).unlink()
    assert NOTHING in done.make("-n", "metrics")  # what they were made from is not needed any more
    assert done.outputs("samples") == samples(AUTOREG, 3)
    done.make("samples")
    after = done.samples()
    assert after.pop(sample(AUTOREG, 3))[0] > before.pop(sample(AUTOREG, 3))[0]
    assert after == before
    assert NOTHING in done.make("-n", "samples")


def test_what_is_damaged_or_outdated_is_made_anew_once_and_a_dry_run_changes_nothing(done):
    damaged, plan = sample(AUTOREG, 3), f"{FOLDER}/{AUTOREG}/plan.json"
    whole = done.samples().pop(damaged)[1]
    (done.root / damaged).write_bytes(whole[:50])
    planned = (done.root / plan).read_bytes()
    (done.root / plan).write_bytes(planned.replace(b"4", b"5"))
    before = listing(done.root)
    assert done.outputs("samples") == {damaged}
    made = done.outputs()
    assert listing(done.root) == before
    assert {damaged, plan, f"{FOLDER}/{AUTOREG}/metrics_7-1-12.pkl", f"{FOLDER}/{AUTOREG}/plan.png"} <= made
    assert not {sample(AUTOREG, 2), sample(HIERARCHY, 3), f"{FOLDER}/{HIERARCHY}/plan.json"} & made
    assert done.make().count(f"damaged, made again: {damaged}") == 1
    assert done.samples()[damaged][1] == whole and (done.root / plan).read_bytes() == planned
    assert NOTHING in done.make("-n")


def test_edits_that_change_no_number_redo_nothing(done):
    for script in (done.root / "workflow_scripts").glob("*.py"):
        script.write_text(script.read_text() + "# a comment\n")
    for file in (done.root / "checkpoints").rglob("*.pt"):
        file.touch()
    done.configure(sampling={"videos_per_job": 2, "batch_size": 1}, training={})
    assert NOTHING in done.make("-n")
    assert NOTHING in done.make("-n", sample(AUTOREG, 3))
    # Not even without the settings that guard results.
    assert done.outputs("--workflow-profile", "none", "samples") == set()


def test_a_sample_that_is_there_cannot_be_forced(done):
    """It would be kept, with a new time and "Finished"."""
    before = done.samples()
    assert f"error: {sample(AUTOREG, 3)} is there" in done.refused("--forcerun", sample(AUTOREG, 3))
    assert done.samples() == before


def test_deleting_all_output_deletes_no_checkpoint_no_data_and_no_sample(done):
    (done.root / "data" / "lpips_alexnet.pt").touch()
    done.configure(metrics={"names": ["psnr", "lpips"]})
    for file in (done.root / FOLDER).rglob("metrics_*.json"):
        file.unlink()  # they lack LPIPS
    before = listing(done.root)
    done.make("--delete-all-output", "all", "train", "data")
    deleted = set(before) - set(listing(done.root))
    assert {f"{FOLDER}/{AUTOREG}/metrics_7-1-12.pkl", "results/comparison.csv"} <= deleted
    assert all(name.startswith("results/") and "/samples/" not in name for name in deleted)


def test_a_changed_checkpoint_is_refused_with_both_values(done):
    save_tiny(done.root / "checkpoints" / CHECKPOINT / "ema_0.9999_000100.pt", seed=1)
    (done.root / sample(AUTOREG, 3)).unlink()
    before = done.samples()
    text = done.refused("samples")
    line = next(line for line in text.splitlines() if line.startswith("error: "))
    claimed = json.loads((done.root / FOLDER / AUTOREG / "fingerprint.json").read_text())["checkpoint_sha256"]
    assert f"checkpoint_sha256 was '{claimed}', is now '" in line
    assert f"remove {FOLDER}/{AUTOREG}" in line
    assert done.samples() == before


def test_the_data_of_a_checkpoint_that_nothing_trains_are_made(fresh):
    shutil.rmtree(fresh.root / "data")
    shutil.copytree(fresh.root / "checkpoints" / CHECKPOINT, fresh.root / "checkpoints" / "copy")
    target = sample(AUTOREG, 0).replace(CHECKPOINT, "copy")
    assert fresh.outputs(target) == {target, "data/bouncy_balls/test.pt"}


def test_a_wrong_step_is_refused_with_both_steps(done):
    folder = done.root / "checkpoints" / CHECKPOINT
    shutil.copy(folder / "ema_0.9999_000100.pt", folder / "ema_0.9999_latest.pt")
    target = f"results/{CHECKPOINT}/ema_0.9999_latest_{{}}_respace2/{AUTOREG}/samples/sample_0000-0.npy"
    text = done.refused(target.format(90))
    assert "ema_0.9999_latest.pt holds step 100, the path asks for step 90" in text
    done.make(target.format(100))
    assert (done.root / target.format(100)).is_file()


def test_metrics_follow_changed_samples_and_ignore_added_ones(done):
    done.configure(sampling={"videos_per_job": 1})
    added = f"{FOLDER}/{AUTOREG}/samples/sample_0000-1.npy"
    shutil.copy(done.root / sample(AUTOREG, 0), done.root / added)
    assert NOTHING in done.make("-n", "metrics")
    changed = np.load(done.root / sample(AUTOREG, 0))
    changed[-1] = 0
    np.save(done.root / sample(AUTOREG, 0), changed)
    folder = f"{FOLDER}/{AUTOREG}"
    assert done.outputs("metrics", "videos") == {
        f"{folder}/metrics_7-1-12.pkl",
        f"{folder}/metrics_7-1-12.json",
        f"{folder}/videos/sample_0000-0.gif",
        f"{folder}/videos/sample_0000-0.mp4",
    }


def test_metrics_of_another_configuration_are_refused_and_not_remade(done):
    done.configure(metrics={"names": ["psnr", "seam"]})
    text = done.refused("metrics")
    assert text.splitlines()[-1].startswith(f"error: {FOLDER}/{AUTOREG}/metrics_7-1-12.json lacks seam, ")
    assert NOTHING in done.make("-n", "samples")
    for file in (done.root / FOLDER).rglob("metrics_*"):
        file.unlink()
    done.make(f"{FOLDER}/{AUTOREG}/metrics_7-1-12.json")
    measured = done.root / FOLDER / AUTOREG / "metrics_7-1-12.json"
    seam = json.loads(measured.read_text())["metrics"]["seam"]
    assert seam["mean"] > 0 and seam["standard_error_videos"] > 0 and len(seam["pseudo_values"]) == 7
    with np.load(measured.with_suffix(".npz"), allow_pickle=False) as rows:
        assert len(rows["changes.truth"]) == len(rows["changes.samples"]) == 7
    measured.with_suffix(".npz").unlink()
    assert f"{FOLDER}/{AUTOREG}/metrics_7-1-12.npz" in done.outputs("results/comparison_pairs.csv")


def test_the_report_shows_what_is_configured(done):
    """Everything exists, but the table and the pictures show another mode too."""
    done.configure(grid=[CONFIG["grid"][0] | {"modes": [HIERARCHY]}])
    report = {f"results/comparison{pairs}.{ext}" for pairs in ("", "_pairs") for ext in ("csv", "txt")}
    report |= {f"{FOLDER}/contact_sheet_12_4.png", f"{FOLDER}/psnr_12_4.png"}
    report |= {f"{FOLDER}/modes_000{video}_12_4.mp4" for video in (0, 1)}
    report |= {f"results/plans.{ext}" for ext in ("csv", "txt", "png")} | {"results/report/index.html"}
    made = {file for file in done.outputs() if file.startswith("results/") and "/report_" not in file}
    assert made == report
    done.make()
    table = (done.root / "results" / "comparison.csv").read_text()
    assert HIERARCHY in table and AUTOREG not in table
    assert NOTHING in done.make("-n")


def test_a_job_that_fails_keeps_what_it_finished(fresh):
    interrupt(fresh, 'raise OSError("no space left")')
    assert "error: no space left" in fresh.refused(*sorted(FOUR))
    log = fresh.root / FOLDER.replace("results", "logs", 1) / AUTOREG / "samples_0000-0003_0.log"
    assert log.read_text().count("no space left") == 1
    check_kept(fresh)


@pytest.mark.long
def test_a_killed_scheduler_loses_nothing_that_was_finished(fresh):
    interrupt(fresh, "import time; time.sleep(600)")
    process = subprocess.Popen(
        fresh.command(*sorted(FOUR)),
        cwd=fresh.root,
        env=fresh.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while len(fresh.samples()) < 2:
            assert process.poll() is None
            time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    fresh.make("--unlock")
    check_kept(fresh)


def test_a_job_that_is_read_again_elsewhere_makes_its_batch(fresh):
    # What an executor for clusters submits.
    wildcards = {
        "run": CHECKPOINT,
        "checkpoint": "ema_0.9999_000100_respace2",
        "mode": AUTOREG,
        "block": "000",
        "sample": "0",
    }
    job = "sample_5_6:" + ",".join(f"{name}={value}" for name, value in wildcards.items())
    fresh.make("--mode", "remote", "--nolock", "--allowed-rules", "sample_5_6", "--target-jobs", job)
    assert set(fresh.samples()) == samples(AUTOREG, 5, 6)


@pytest.mark.long
def test_training_goes_on_and_keeps_its_checkpoints(fresh):
    """Its data are checked first, and again only if they have changed; they are decoded when it first asks for it."""
    own = {"own": {"kind": "video_folder", "path": "own", "image_size": 32}}
    data = fresh.root / "data" / "own" / "train"
    data.mkdir(parents=True)
    np.save(data / "a.npy", np.zeros((6, 32, 32, 3), np.uint8))
    network = {key: TINY[key] for key in ("image_size", "num_channels", "num_res_blocks", "num_heads")}
    settings = {
        "dataset": "own",
        "T": 6,
        "max_frames": 3,
        "num_workers": 0,
        "diffusion_steps": 40,
        **network,
    }
    for steps in (1, 2):
        run = settings | {"steps": steps, "save_interval": 1, "decode_once": steps == 2}
        fresh.configure(training={"new/run": run}, datasets=own, grid=[])
        before = {file: file.read_bytes() for file in (fresh.root / "checkpoints").rglob("*_000001.pt")}
        assert ("dataset own, train: 1 good videos, 0 problems" in fresh.make("train")) == (steps == 1)
        assert NOTHING in fresh.make("-n", "train")
        for kind in ("model", "ema_0.9999", "opt"):
            assert (fresh.root / f"checkpoints/new/run/{kind}_{steps:06d}.pt").is_file()
    (array,) = (fresh.root / "data/.decoded/own/train").iterdir()
    assert np.load(array).shape == (6, 3, 32, 32)
    assert len(before) == 3
    assert all(file.read_bytes() == content for file, content in before.items())


def test_check_data_names_what_is_wrong(fresh):
    training = {
        name: {"dataset": name, "T": 4, "max_frames": 4, "steps": 1} for name in ("bouncy_balls", "own")
    }
    fresh.configure(
        training=training, datasets={"own": {"kind": "video_folder", "path": "own", "image_size": 8}}
    )
    folder = fresh.root / "data" / "own" / "train"
    folder.mkdir(parents=True)
    np.save(folder / "good.npy", np.zeros((4, 8, 8, 3), np.uint8))
    np.save(folder / "short.npy", np.zeros((3, 8, 8, 3), np.uint8))
    (folder / "broken.npy").write_bytes(b"no array")
    text = fresh.refused("check_data", "--config", "grid=[]")
    assert "dataset bouncy_balls, train: 2 good videos, 0 problems" in text
    assert "dataset bouncy_balls, test: 7 good videos, 0 problems" in text
    assert "dataset own, train: 1 good videos, 2 problems" in text
    assert "data/own/train/broken.npy" in text
    assert "data/own/train/short.npy: 3 frames, 4 are needed" in text
    assert "error: 1 of 3 datasets are not whole" in text


def listing(root: Path) -> dict[str, tuple[int, int, str]]:
    """Modification time, size and hash of all files and folders, but for what Snakemake notes down of its calls."""
    paths = [path for path in [root, *root.rglob("*")] if ".snakemake" not in path.relative_to(root).parts]
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mtime_ns,
            path.lstat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in paths
    }


def interrupt(project: Project, statement: str) -> None:
    """Make sampling jobs take one video at a time and execute a statement after the second of four."""
    project.configure(sampling={"videos_per_job": 10, "batch_size": 1})
    script = project.root / "workflow_scripts" / "sample.py"
    lines = script.read_text().splitlines()
    told = lines.index("        work.on_device(os.environ),")
    lines[told] = "        replace(work.on_device(os.environ), progress=stop),"
    start = next(number for number, line in enumerate(lines) if line.startswith("with job("))
    stop = ["def stop(done, total):", "    if done > total // 2:", f"        {statement}"]
    lines[start:start] = ["from dataclasses import replace", *stop]
    script.write_text("\n".join(lines) + "\n")


def check_kept(project: Project) -> None:
    """Two videos are finished; a later call makes the other two alone."""
    before = project.samples()
    assert set(before) == samples(AUTOREG, 0, 1)
    shutil.copy(ROOT / "workflow_scripts" / "sample.py", project.root / "workflow_scripts" / "sample.py")
    targets = sorted(FOUR - set(before))
    assert project.outputs(*targets) == set(targets)
    project.make(*targets)
    after = project.samples()
    assert set(after) == {*before, *targets}
    assert {name: after[name] for name in before} == before


def test_no_training_makes_a_checkpoint_that_nothing_needs(done):
    (done.root / "checkpoints" / CHECKPOINT / "ema_0.9999_000100.pt").unlink()
    assert done.outputs() == set()
