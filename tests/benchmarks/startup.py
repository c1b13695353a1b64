"""What a sampling job costs before its first stage: imports, loading, and on a SLURM cluster all around them.

    python tests/benchmarks/startup.py [--repeat 3]

Imports and loading are those of the demo's checkpoint, in new processes. Then jobs that have next to nothing to do (one
stage of one diffusion step) run on a cluster of this machine's own (tests/faults/cluster.py), one after another: the
time that SLURM counts for a job is its overhead. It is put in relation to a job of an hour and of ten minutes.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "faults"), str(ROOT / "tests")]

from cluster import Cluster  # noqa: E402
from conftest import Faulted  # noqa: E402
from small_project import PARTS, copy_parts  # noqa: E402

IMPORTS = "import viddiff.jobs.sampling, viddiff.workflow.job"
LOADING = """
import time; start = time.perf_counter()
from pathlib import Path
from viddiff.data import open_dataset
from viddiff.jobs.job import Job
from viddiff.jobs.prepare import prepare
from viddiff.tree.schedules import plan_in
from viddiff.tree.paths import Evaluation
run = Evaluation.named("demo", "ema_0.999_004181_respace1", "autoreg_10_10_20_10")
opened = lambda name, split: open_dataset(name, split, "data")
imported = time.perf_counter()
prepare(Job(run, opened), run.checkpoint_file()).fingerprint(plan_in(run))
print(time.perf_counter() - imported)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster, root = Cluster(folder), Path(tempfile.mkdtemp())
    copy_parts(root, *PARTS, "checkpoints")
    local = Faulted(root)
    local.make("data")
    imports = [timed([sys.executable, "-c", IMPORTS], local) for _ in range(repeat)]
    loading = [
        float(subprocess.run([sys.executable, "-c", LOADING], **where(local)).stdout) for _ in range(repeat)
    ]
    print(f"interpreter and imports {spread(imports)}; loading {spread(loading)}")
    try:
        cluster.start()
        remote = Faulted(root, cluster)
        sample = "results/demo/ema_0.999_004181_respace1/autoreg_10_10_20_10/samples/sample_{:04d}-0.npy"
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
        shutil.rmtree(root)


def timed(command: list[str], project: Faulted) -> float:
    start = time.perf_counter()
    subprocess.run(command, **where(project))
    return time.perf_counter() - start


def where(project: Faulted) -> dict:
    return {
        "cwd": project.root,
        "env": project.environment(),
        "check": True,
        "capture_output": True,
        "text": True,
    }


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} s ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()
