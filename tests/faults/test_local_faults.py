"""Faults on one machine: in the end, all files are those of an undisturbed run, byte for byte."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import FOLDER, METRICS, MODE, Faulted
from small_project import CHECKPOINT as RUN
from small_project import copy_of, save_tiny
from watch import Watch

pytestmark = pytest.mark.long

SAMPLES = [f"{FOLDER}/samples/sample_{video:04d}-0.npy" for video in range(4)]
WEIGHTS = f"checkpoints/{RUN}/ema_0.9999_000100.pt"


@pytest.fixture
def done(finished: Faulted, tmp_path: Path) -> Faulted:
    """A project with the samples of an undisturbed run, older than anything else, and no metrics."""
    project = Faulted(copy_of(finished, tmp_path / "project").root)
    for path in SAMPLES:
        os.utime(project.root / path, (1, 1))
    for path in (project.root / FOLDER).glob("metrics*"):
        path.unlink()
    return project


def test_sampling_process_killed(local, undisturbed, note):
    with Watch(local.root / FOLDER) as watch:
        process = local.start(METRICS)
        local.wait_for_stages(4)
        status = [sys.executable, "-m", "viddiff", "status", FOLDER]
        text = subprocess.run(
            status, cwd=local.root, env=local.environment(), capture_output=True, text=True
        ).stdout
        assert re.search(rf"{MODE} +0/4 +2 +[1-9][0-9]*/72 ", text)  # two samples under way
        moment = time.time()
        (script,) = local.sampling_processes()
        os.kill(script, signal.SIGKILL)
        assert local.finish(process) == 1  # the other batch was made
        local.make(METRICS)
    assert local.results() == undisturbed and watch.made_again == []
    note("1 sampling process: kill -9 (this machine)", 1, moment - watch.last_before(moment), 0)
    assert "stages were finished before" in local.sampling_logs()


def test_job_told_to_stop_ends_with_a_code_of_its_own(local, undisturbed):
    process = local.start(SAMPLES[0])
    local.wait_for_stages(2)
    (script,) = local.sampling_processes()
    os.kill(script, signal.SIGTERM)
    assert local.finish(process) == 1
    assert "returned non-zero exit status 3" in local.log() and "stopped by SIGTERM" in local.log()
    local.make(METRICS)
    assert local.results() == undisturbed


def test_full_disk(local, undisturbed, note):
    """The results lie on a file system with room for one batch and the stages of the other, not for its samples."""
    (local.root / "results").mkdir()
    pages = 2 * 36 * 4 + 2 * -(-len(undisturbed[SAMPLES[0]]) // 4096)  # of 4096 bytes: a stage takes four
    size = 4096 * pages + 110_000  # small files, and not enough for a sample
    script = [
        f"mount -t tmpfs -o size={size} tmpfs results",
        f"{shlex.join(local.command(METRICS))} && echo done > first || echo failed > first",
        "mkdir before && cp -a results/. before/",
        "mount -o remount,size=100m results",
        f"{shlex.join(local.command(METRICS))} && echo done > second || echo failed > second",
        "mkdir after && cp -a results/. after/",
    ]
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", "\n".join(script)]
    with open(local.root / "run.log", "wb") as log:
        status = subprocess.run(
            command, cwd=local.root, env=local.environment(), stdout=log, stderr=subprocess.STDOUT
        )
    assert status.returncode == 0, local.log()
    assert [(local.root / name).read_text() for name in ("first", "second")] == ["failed\n", "done\n"]
    assert re.search(r"error: cannot write \S+/sample_000[02]-0\.npy: No space left on device", local.log())
    folder = local.root / "before" / FOLDER.partition("/")[2]
    finished = {path.name: path.read_bytes() for path in folder.glob("samples/sample_*.npy")}
    assert all(undisturbed[f"{FOLDER}/samples/{name}"] == content for name, content in finished.items())
    (local.root / "results").rmdir()
    (local.root / "after").rename(local.root / "results")
    assert local.results() == undisturbed
    note("8 disk full while writing", 1, 0.0, 0)


@pytest.mark.parametrize("length", [0, 1, 100, 50_000], ids=lambda length: f"{length} bytes")
def test_damaged_sample_at_start(done, undisturbed, note, length):
    damaged = done.root / SAMPLES[1]
    damaged.write_bytes(undisturbed[SAMPLES[1]][:length])
    os.utime(damaged, (1, 1))
    planned = done.make("-n", METRICS)
    assert f"damaged, made again: {SAMPLES[1]}" in planned
    assert done.outputs(METRICS) == {SAMPLES[1], METRICS, METRICS.replace("json", "pkl")}
    assert damaged.stat().st_size == length  # a dry run changes nothing
    done.make(METRICS)
    assert done.results() == undisturbed
    assert [os.stat(done.root / path).st_mtime == 1 for path in SAMPLES] == [True, False, True, True]
    note(f"{'9 truncated' if length else '10 zero-length'} sample at start, {length} bytes", 0, 0.0, 0)


def test_truncated_checkpoint(local, undisturbed, note):
    weights = local.root / WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1000])
    for arguments in (["-n", METRICS], [METRICS]):
        assert f"{WEIGHTS}" in (text := local.refused(*arguments)) and "cut off" in text
    assert not list((local.root / "results").rglob("*.npy"))
    weights.write_bytes(whole)
    local.make(METRICS)
    assert local.results() == undisturbed
    note("11 truncated checkpoint", 0, 0.0, 0)


def test_replaced_checkpoint(local, undisturbed, note):
    """In the middle of a batch: neither samples nor stages of the two mix."""
    with Watch(local.root / FOLDER) as watch:
        process = local.start(SAMPLES[0])
        local.wait_for_stages(2)
        (script,) = local.sampling_processes()
        os.kill(script, signal.SIGKILL)
        local.finish(process)
        shutil.move(local.root / WEIGHTS, local.root / "kept.pt")
        save_tiny(local.root / WEIGHTS, seed=1)
        text = local.refused(METRICS)
        assert "checkpoint_sha256 was " in text and "Put it back as it was" in text
        assert not local.samples()
        shutil.move(local.root / "kept.pt", local.root / WEIGHTS)
        local.make(METRICS)
    assert local.results() == undisturbed and watch.made_again == []
    note("11 replaced checkpoint", 1, 0.0, 0)


def test_two_calls_at_once_make_each_file_whole(local, undisturbed):
    """Snakemake refuses the second, as documented; without its lock, both make the same."""
    calls = [local.start("--nolock", METRICS) for _ in range(2)]
    codes = [local.finish(process) for process in calls]
    if codes != [0, 0]:  # what the other has just made can trouble Snakemake, never the files
        local.make(METRICS)
    assert local.results() == undisturbed
    assert not list(Path(local.root / "results").rglob(".tmp-*"))
