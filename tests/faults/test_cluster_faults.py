"""Faults on a SLURM cluster, while jobs run: in the end, all files are those of an undisturbed run, byte for byte."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from cluster import wait_for
from conftest import FOLDER, SETTINGS, Faulted
from watch import Watch

from viddiff.data.bouncy_balls import write_bouncy_balls


def gpu_jobs(project: Faulted) -> list[str]:
    """The ids of the sampling jobs that run now, newest first."""
    jobs = project.cluster.jobs("RUNNING")
    return sorted(
        (job for job in jobs if project.cluster.show(job)["Partition"] == "gpu"), key=int, reverse=True
    )


def slowed(project: Faulted, seconds: float) -> Path:
    """Jobs sleep after each stage, as long as the file that is returned is there."""
    slow = project.root / "slow"
    slow.touch()
    project.hook("import os, time", f"time.sleep({seconds} if os.path.exists({str(slow)!r}) else 0)")
    return slow


def finish_and_compare(project, process, watch, undisturbed, note, fault, moment, allowed=1):
    """The run must end well and have made what an undisturbed run makes; what it lost goes into the table."""
    assert project.finish(process) == 0, project.log()
    assert project.results() == undisturbed
    assert not list((project.root / FOLDER).rglob(".partial/*"))
    lost = max(0.0, moment - watch.last_before(moment)) if allowed else 0.0  # since the last finished stage
    note(fault, allowed, lost, len(watch.made_again))
    assert watch.made_again == []


def test_jobs_run_where_the_profile_says_and_make_what_this_machine_makes(remote, undisturbed):
    process = remote.start("metrics")
    running = wait_for(lambda: jobs if len(jobs := gpu_jobs(remote)) == 2 else None, 60, "both sampling jobs")
    for job in running:
        shown = remote.cluster.show(job)
        assert (shown["Partition"], shown["TresPerJob"]) == ("gpu", "gres:gpu:1")
        assert (shown["MinMemoryNode"], shown["TimeLimit"]) == ("16000M", "04:00:00")
    assert remote.finish(process) == 0, remote.log()
    assert remote.results() == undisturbed
    finished = remote.cluster.run("squeue", "--noheader", "--states=all", "--format=%i").split()
    partitions = [
        remote.cluster.show(job)["Partition"] for job in finished if int(job) >= int(min(running, key=int))
    ]
    assert sorted(partitions)[-3:] == ["cpu", "gpu", "gpu"]  # metrics need no GPU
    record = json.loads(next((remote.root / FOLDER / "provenance").glob("samples_0000-0-*.json")).read_text())
    assert (
        record["outcome"] == "done"
        and record["slurm_job"] in running
        and "--profile slurm" in record["command"]
    )
    assert record["made"] == ["samples/sample_0000-0.npy", "samples/sample_0001-0.npy"]


@pytest.mark.long
def test_sampling_process_killed(remote, undisturbed, note):
    with Watch(remote.root / FOLDER) as watch:
        process = remote.start("metrics")
        remote.wait_for_stages(4)
        killed = remote.sampling_processes()
        moment = time.time()
        for number in killed:
            os.kill(number, signal.SIGKILL)
        assert len(killed) >= 1
        finish_and_compare(remote, process, watch, undisturbed, note, "1 sampling process: kill -9", moment)
    assert "stages were finished before" in remote.sampling_logs()


@pytest.mark.long
def test_scheduler_killed(remote, undisturbed, note):
    """Its jobs go on; those of the second call run beside them."""
    with Watch(remote.root / FOLDER) as watch:
        process = remote.start("metrics")
        remote.wait_for_stages(4)
        moment = time.time()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert "LockException" in (text := remote.run("metrics").stdout) or "cannot be locked" in text
        remote.make("--unlock")
        for job in gpu_jobs(remote):
            remote.cluster.run("scancel", job)  # as documented
        finish_and_compare(
            remote, remote.start("metrics"), watch, undisturbed, note, "2 scheduler: kill -9", moment
        )


@pytest.mark.long
def test_job_cancelled(remote, undisturbed, note):
    with Watch(remote.root / FOLDER) as watch:
        process = remote.start("metrics")
        remote.wait_for_stages(4)
        moment = time.time()
        remote.cluster.run("scancel", gpu_jobs(remote)[0])
        finish_and_compare(remote, process, watch, undisturbed, note, "3 job: scancel", moment)
    assert "stopped by SIGTERM; what is finished is kept" in remote.log()  # the last lines of the job's log


@pytest.mark.long
def test_time_limit(remote, undisturbed, note):
    """The first attempt takes 10 s for each stage, and has a minute."""
    slow = slowed(remote, 10)
    remote.edit_profile("runtime: 240 * attempt", "runtime: 1 * attempt")
    with Watch(remote.root / FOLDER) as watch:
        process = remote.start("metrics")
        wait_for(lambda: remote.cluster.jobs("TIMEOUT"), 180, "the time limit")
        moment = time.time()
        slow.unlink()
        finish_and_compare(remote, process, watch, undisturbed, note, "4 time limit", moment)
    assert "status is: 'TIMEOUT'" in remote.log() and "stopped by SIGTERM" in remote.log()


@pytest.mark.long
def test_node_daemon_killed(remote, undisturbed, note):
    """SLURM gives the jobs up after 10 s; their processes live on, beside those of the second attempt."""
    slow = slowed(remote, 2)
    with Watch(remote.root / FOLDER) as watch:
        process = remote.start("metrics")
        remote.wait_for_stages(2)
        jobs = gpu_jobs(remote)
        moment = time.time()
        remote.cluster.kill("slurmd-n2")
        wait_for(lambda: set(jobs) & set(remote.cluster.jobs("NODE_FAIL")), 60, "the node's failure")
        slow.unlink()
        remote.cluster.start_node("n2")
        finish_and_compare(remote, process, watch, undisturbed, note, "5 slurmd: kill -9, restarted", moment)
    remote.cluster.wait_until_idle()


@pytest.mark.long
def test_controller_restarted(remote, undisturbed, note):
    with Watch(remote.root / FOLDER) as watch:
        process = remote.start("metrics")
        remote.wait_for_stages(2)
        moment = time.time()
        remote.cluster.kill("slurmctld")
        time.sleep(3)
        remote.cluster.start_controller()
        finish_and_compare(
            remote, process, watch, undisturbed, note, "6 slurmctld: kill -9, restarted", moment, allowed=0
        )


@pytest.mark.long
def test_out_of_memory(remote, undisturbed, note):
    """The first attempt takes 3 GB after two stages, and has 2."""
    greedy = remote.root / "greedy"
    greedy.touch()
    remote.edit_profile("mem_mb: 16000 * attempt", "mem_mb: 2000 * attempt")
    remote.hook(
        "import os, time",
        f"if done == 2 and os.path.exists({str(greedy)!r}):",
        f"    os.remove({str(greedy)!r})",
        "    taken = bytearray(os.urandom(2**20)) * 3000",
        "    time.sleep(60)",
    )
    with Watch(remote.root / FOLDER) as watch:
        process = remote.start("metrics")
        wait_for(lambda: not greedy.exists(), 120, "the greedy job")
        moment = time.time()
        finish_and_compare(remote, process, watch, undisturbed, note, "7 out of memory", moment)
    assert "mem_mb=4000" in remote.log()


@pytest.mark.long
def test_configuration_edited_while_jobs_wait(remote, undisturbed, note):
    """Sizes of jobs and calls change nothing; other data are refused by the job that comes second."""
    write_bouncy_balls(remote.root / "other", "test", 4, length=40, seed=1)
    remote = Faulted(remote.root, remote.cluster, more=("--jobs", "1", "--retries", "0"))
    with Watch(remote.root / FOLDER) as watch:
        process = remote.start("metrics")
        remote.wait_for_stages(2)
        assert len(gpu_jobs(remote)) == 1
        sizes = {"sampling": {"videos_per_job": 1, "batch_size": 1}}
        remote.configure(**SETTINGS | sizes | {"data_root": "other"})
        assert remote.finish(process) == 1
        assert "first_frame_sha256" in remote.log() and "Put it back as it was" in remote.log()
        assert len(remote.samples()) == 2
        remote.configure(**SETTINGS | sizes)
        moment = time.time()
        finish_and_compare(
            remote, remote.start("metrics"), watch, undisturbed, note, "12 config edited", moment, allowed=0
        )
