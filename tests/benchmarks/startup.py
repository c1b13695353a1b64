"""What a sampling job costs before its first stage: imports, loading, and on a SLURM cluster all around them.

    python tests/benchmarks/startup.py [--repeat 3] [--no-cluster]

First the processor seconds of new processes up to the first network evaluation of the demo's checkpoint, part by part:
the interpreter with what Snakemake puts before each script, `import torch`, all other imports, and loading. Then jobs
that have next to nothing to do (one stage of one diffusion step) run on a cluster of this machine's own
(tests/faults/cluster.py), one after another: the time that SLURM counts for a job is its overhead. It is put in
relation to a job of an hour and of ten minutes.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from small_project import PARTS, Project, copy_parts  # noqa: E402

from viddiff.data.bouncy_balls import write_bouncy_balls  # noqa: E402

PARTS_OF_START = ("interpreter", "torch", "other imports", "loading")
FIRST = """
import snakemake.iocontainers, time
clock = [0.0, time.process_time()]
import torch
clock.append(time.process_time())
import viddiff.workflow.job
from viddiff.data import open_dataset
from viddiff.jobs.job import Job
from viddiff.jobs.sampling import sample_videos
from viddiff.tree.paths import Evaluation
clock.append(time.process_time())

def stop(*_):
    clock.append(time.process_time())
    print(*(end - start for start, end in zip(clock, clock[1:])))
    raise SystemExit

torch.set_num_threads(1)
torch.nn.modules.module.register_module_forward_pre_hook(stop)
run = Evaluation.named("demo", "ema_0.995_002082_respace1", "autoreg_10_10_20_10", "results_of_no_use")
job = Job(run, lambda name, split: open_dataset(name, split, "data"))
sample_videos(job, run.checkpoint_file(), [0], 0, batch_size=1)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-cluster", action="store_true", help="processes of this machine alone")
    given = parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp())
    try:
        copy_parts(root, *PARTS, "checkpoints")
        write_bouncy_balls(root / "data", "test", 24, length=100)
        print_start(Project(root), given.repeat)
        if not given.no_cluster:
            print_overhead(root, given.repeat)
    finally:
        shutil.rmtree(root)


def print_start(project: Project, repeat: int) -> None:
    """Processor seconds of each part of a job's start."""
    runs = []
    for _ in range(repeat):
        done = subprocess.run([sys.executable, "-c", FIRST], **where(project))
        runs.append([float(part) for part in done.stdout.split()])
    parts = [
        f"{name} {spread(times)}" for name, times in zip(PARTS_OF_START, zip(*runs, strict=True), strict=True)
    ]
    print(f"to the first evaluation {spread([sum(run) for run in runs])}: {', '.join(parts)}")


def print_overhead(root: Path, repeat: int) -> None:
    """What SLURM counts for jobs with next to no work."""
    sys.path.insert(0, str(ROOT / "tests" / "faults"))
    from cluster import Cluster
    from conftest import Faulted

    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        remote = Faulted(root, cluster)
        sample = "results/demo/ema_0.995_002082_respace1/autoreg_10_10_20_10/samples/sample_{:04d}-0.npy"
        for video in range(repeat):
            remote.make(sample.format(video))
        jobs = [
            cluster.show(job) for job in cluster.run("squeue", "-h", "--states=all", "--format=%i").split()
        ]
        seconds = [
            (
                datetime.fromisoformat(job["EndTime"]) - datetime.fromisoformat(job["StartTime"])
            ).total_seconds()
            for job in jobs
        ]
        overhead = statistics.median(seconds)
        shares = ", ".join(
            f"{100 * overhead / (overhead + minutes * 60):.1f}% of {minutes} min" for minutes in (10, 60)
        )
        print(f"a whole job with next to no work {spread(seconds)}: {shares}")
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def where(project: Project) -> dict[str, Any]:
    return {
        "cwd": project.root,
        "env": project.environment(),
        "check": True,
        "capture_output": True,
        "text": True,
    }


def spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
