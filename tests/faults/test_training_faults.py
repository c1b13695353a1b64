"""Trainings that are killed, stopped, made longer and shorter: they go on, and nothing of them is lost."""

from __future__ import annotations

import os
import re
import signal

import pytest
from cluster import wait_for
from conftest import Faulted
from seeded import TINY

from viddiff.checkpoint import load_checkpoint
from viddiff.training.run_files import step_inside

pytestmark = pytest.mark.long

RUN = "checkpoints/new/run"
NETWORK = {
    key: TINY[key]
    for key in ("image_size", "num_channels", "num_res_blocks", "num_heads", "attention_resolutions")
}
TRAINING = NETWORK | {
    "dataset": "bouncy_balls",
    "T": 6,
    "max_frames": 3,
    "num_workers": 1,
    "diffusion_steps": 40,
    "ema_rate": 0.9,
    "save_interval": 2,
    "save_latest_only": True,
}


def configure(project: Faulted, **changes) -> None:
    project.configure(training={"new/run": TRAINING | changes}, grid=[])


def kill_at(project: Faulted, *steps: int) -> None:
    """Have the job of the training kill itself when it has made these steps, once each."""
    script = project.root / "workflow_scripts" / "train.py"
    lines = f"""
import os, signal

def dying(bar):
    shown = bar.step

    def show(step):
        shown(step)
        marks = {{number: f"killed_{{number}}" for number in {steps}}}
        if step in marks and not os.path.exists(marks[step]):
            open(marks[step], "w").close()
            os.kill(os.getpid(), signal.SIGKILL)

    bar.step = show
    return bar
"""
    text = script.read_text().replace("threads, stop, bar)", "threads, stop, dying(bar))")
    script.write_text(text.replace("def main", f"{lines}\n\ndef main"))


def weights(project: Faulted) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.root / RUN).glob("[me]*.pt")}


def test_killed_in_each_attempt_then_longer_then_shorter(local):
    configure(local, steps=6)
    local.make("train")
    undisturbed = weights(local)
    (local.root / RUN).rename(local.root / "undisturbed")
    kill_at(local, 3, 5)
    local.make("--retries", "2", "train")  # the record of the run that was moved away does not count
    assert weights(local) == undisturbed and len(undisturbed) == 2
    assert "Nothing to be done" in local.make("-n", "train")
    assert not list((local.root / ".snakemake").glob("backups/**/*.pt"))

    configure(local, steps=9)
    kill_at(local, 8)
    assert local.run("train").returncode == 1
    local.make("train")
    assert step_inside(local.root / RUN / "ema_0.9_latest.pt") == 9
    log = (local.root / RUN / "log.csv").read_bytes()

    configure(local, steps=4)
    text = local.make("train")
    assert f"{RUN} is trained to step 9, beyond training.new/run.steps 4; left as it is" in text
    before = weights(local)
    local.make("--delete-all-output", "train")
    local.make("--forceall", "train")
    assert weights(local) == before and (local.root / RUN / "log.csv").read_bytes() == log
    assert load_checkpoint(local.root / RUN / "model_latest.pt").step == 9


def test_requeued_by_slurm_it_goes_on(remote):
    configure(remote, steps=40)
    Faulted(remote.root).make("train")  # on this machine
    undisturbed = weights(remote)
    (remote.root / RUN).rename(remote.root / "undisturbed")
    process = remote.start("--slurm-requeue", "train")
    opt = remote.root / RUN / "opt_latest.pt"
    wait_for(lambda: opt.exists() or None, 120, "the first checkpoints")
    (job,) = remote.cluster.jobs("RUNNING")
    remote.cluster.run("scontrol", "requeue", job)
    wait_for(lambda: remote.cluster.jobs("PENDING") or None, 60, "the job to wait again")
    remote.cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now")
    assert remote.finish(process) == 0, remote.log()
    assert remote.cluster.show(job)["Restarts"] == "1"
    assert weights(remote) == undisturbed
    assert (remote.root / RUN / "log.csv").read_text().count("\n") == 1 + 4  # every ten steps


def test_a_killed_process_ends_the_attempt_and_the_next_goes_on(local):
    """Two processes by torchrun: the same bytes as if nothing had happened."""
    settings = TRAINING | {"steps": 6, "batch_size": 2, "gpus": 2}
    local.configure(training={"new/run": settings}, grid=[], device="cpu")
    local.make("train")
    undisturbed = weights(local)
    (local.root / RUN).rename(local.root / "undisturbed")
    script = local.root / "workflow_scripts" / "train_process.py"
    die = (
        "asked.append(place.rank)\n            "
        "if asked == [1, 1, 1] and not Path('killed').exists():\n                "
        "Path('killed').touch()\n                os.kill(os.getpid(), signal.SIGKILL)\n            return"
    )
    text = (
        script.read_text()
        .replace("def main", "asked = []\n\n\ndef main")
        .replace("return bool(signals)", f"{die} bool(signals)")
    )
    script.write_text(text)
    said = local.make("--retries", "1", "train")
    lines = [line for line in said.splitlines() if "a process of the training, 1 of 2, on " in line]
    assert len(lines) == 2 and " ERROR " in lines[1], said  # told once, and in the log that is shown
    assert "the same call goes on from the newest checkpoint, of step 2, with any number of processes" in said
    assert weights(local) == undisturbed and len(undisturbed) == 2 and (local.root / "killed").exists()


def test_two_nodes_train_together_lose_one_and_go_on(remote):
    """As if nothing had happened: the same bytes as two processes on one machine make."""
    settings = TRAINING | {"steps": 30, "batch_size": 2}
    remote.configure(training={"new/run": settings | {"gpus": 2}}, grid=[], device="cpu")
    Faulted(remote.root).make("train")  # on this machine
    undisturbed = weights(remote)
    (remote.root / RUN).rename(remote.root / "undisturbed")
    remote.configure(training={"new/run": settings | {"nodes": 2}}, grid=[], device="cpu")
    remote.edit_profile("  train: *gpu\n", "  train: { slurm_partition: both, mem_mb: 4000, runtime: 60 }\n")
    process = remote.start("train")
    opt = remote.root / RUN / "opt_latest.pt"
    wait_for(lambda: opt.exists() or None, 240, "the first checkpoints")
    (job,) = remote.cluster.jobs("RUNNING")
    shown = remote.cluster.show(job)
    assert (shown["NumNodes"], shown["NumTasks"], shown["TresPerNode"][-5:]) == ("2", "2", "gpu:1")
    remote.cluster.kill("slurmd-n2")
    wait_for(lambda: job in remote.cluster.jobs("NODE_FAIL") or None, 90, "the node's failure")
    remote.cluster.start_node("n2")
    assert remote.finish(process) == 0, remote.log()
    assert weights(remote) == undisturbed and len(undisturbed) == 2


def test_stopped_by_ctrl_c_it_says_where_and_goes_on(local):
    configure(local, steps=100_000)
    process = local.start("train")
    wait_for(lambda: (local.root / RUN / "opt_latest.pt").exists() or None, 120, "the first checkpoints")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert local.finish(process) != 0
    last = local.log().splitlines()[-1]
    assert re.fullmatch(
        r"new/run: stopped at step \d+ of 100000, saved; the same call goes on from there", last
    )
    assert "Traceback" not in local.log()


def test_files_of_others_are_refused_while_planning(local):
    configure(local, steps=6, save_latest_only=False)
    (local.root / RUN).mkdir(parents=True)
    (local.root / RUN / "opt_000004.pt").write_bytes(b"another program's")
    line = local.refused("-n", "train").splitlines()[-1]
    assert line.startswith(f"error: {RUN}/opt_000004.pt: training would overwrite it")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_data_are_loaded_where_python_does_not_fork(local, method):
    """As Python 3.14 on Linux, and macOS."""
    configure(local, steps=2)
    script = local.root / "workflow_scripts" / "train.py"
    start = f"import multiprocessing\n    multiprocessing.set_start_method({method!r})\n    main()"
    script.write_text(script.read_text().replace("    main()", f"    {start}"))
    local.make("train")
    assert step_inside(local.root / RUN / "model_latest.pt") == 2
