"""A cluster, projects that run on it, and what an undisturbed run makes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cluster import Cluster, wait_for
from small_project import ROOT, Project, copy_of, make_project

CHECKPOINT = "ema_0.9999_000100_respace5"
MODE = "autoreg_4_1_40_4"  # 36 stages of about 0.1 s in each video
FOLDER = f"results/deep/tiny/{CHECKPOINT}/{MODE}"
METRICS = f"{FOLDER}/metrics_4-1-40.json"
SETTINGS = {
    "bouncy_balls": {"train": 2, "test": 4, "length": 40, "seed": 0},
    "training": {},
    "grid": [
        {"runs": ["deep/tiny"], "checkpoints": [CHECKPOINT], "modes": [MODE], "videos": 4, "samples": 1}
    ],
    "sampling": {"videos_per_job": 2, "batch_size": 2},
}


@dataclass(frozen=True)
class Faulted(Project):
    """A project whose runs are disturbed: on this machine, or on a cluster."""

    cluster: Cluster | None = None
    more: tuple[str, ...] = field(default=())

    def command(self, *arguments: str) -> list[str]:
        if self.cluster is None:
            return super().command(*arguments)
        snakemake = [sys.executable, str(Path(__file__).with_name("quick_snakemake.py"))]
        options = ["--profile", "slurm", "--slurm-status-command", "squeue"]
        options += [
            "--slurm-init-seconds-before-status-checks",
            "1",
            "--latency-wait",
            "5",
            "--max-threads",
            "1",
        ]
        return [*snakemake, *options, *self.more, *arguments]

    def environment(self) -> dict[str, str]:
        places = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        return (self.cluster.environment if self.cluster else os.environ) | places

    def start(self, *arguments: str) -> subprocess.Popen:
        """Run Snakemake in the background; its output goes to `run.log`."""
        with open(self.root / "run.log", "ab") as log:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.root,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def hook(self, *lines: str) -> None:
        """Have sampling jobs execute lines of Python after each stage, of which `done` are done."""
        script = self.root / "workflow_scripts" / "sample.py"
        text = script.read_text()
        body = "".join(f"    {line}\n" for line in lines)
        text = text.replace(
            "with job(snakemake):", f"def after_stage(done, total):\n{body}\n\nwith job(snakemake):"
        )
        arguments = "**network_arguments(snakemake)"
        assert arguments in text
        script.write_text(text.replace(arguments, f'**({arguments[2:]} | {{"progress": after_stage}})'))

    def finish(self, process: subprocess.Popen, seconds: float = 300) -> int:
        """Wait for a run; returns its exit code. One that hangs is ended."""
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise

    def log(self) -> str:
        return (self.root / "run.log").read_text()

    def stages(self) -> dict[str, float]:
        """The stages that are kept, and when they were made."""
        found = {}
        with contextlib.suppress(FileNotFoundError):  # a folder that vanishes
            for path in (self.root / FOLDER).glob("samples/.partial/*/stage_*.npy"):
                found[str(path.relative_to(self.root))] = path.stat().st_mtime
        return found

    def wait_for_stages(self, count: int) -> dict[str, float]:
        """Wait until so many stages of samples under way are kept."""
        return wait_for(
            lambda: found if len(found := self.stages()) >= count else None, 120, f"{count} stages"
        )

    def results(self) -> dict[str, bytes]:
        """The samples, and the measured values of the metrics."""
        found = {str(path): content for path, (_, content) in self.samples().items()}
        if (self.root / METRICS).exists():
            found[METRICS] = (self.root / METRICS).read_bytes()
            found["pkl"] = (self.root / METRICS).with_suffix(".pkl").read_bytes()
        return found


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with a checkpoint and test videos, before anything was made."""
    project = make_project(tmp_path_factory.mktemp("faults") / "prepared")
    project.configure(**SETTINGS)
    shutil.rmtree(project.root / "data")
    project.make("data")
    return project


@pytest.fixture(scope="session")
def undisturbed(prepared: Project) -> dict[str, bytes]:
    """What a run on this machine makes that nothing disturbs."""
    project = Faulted(copy_of(prepared, prepared.root.parent / "undisturbed").root)
    project.make("metrics")
    results = project.results()
    assert len(results) == 6
    return results


@pytest.fixture
def local(prepared: Project, tmp_path: Path) -> Faulted:
    """A project of one's own that runs on this machine."""
    return Faulted(copy_of(prepared, tmp_path / "project").root)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """SLURM."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def remote(prepared: Project, tmp_path: Path, cluster: Cluster) -> Faulted:
    """A project of one's own that runs on the cluster."""
    return Faulted(copy_of(prepared, tmp_path / "project").root, cluster)


ROWS = []


@pytest.fixture
def note(request: pytest.FixtureRequest):
    """Put a fault into the table that is printed at the end: what was lost, and files made again that were finished."""

    def row(fault: str, stages_lost: int, seconds_lost: float, redone: int) -> None:
        ROWS.append((fault, f"{stages_lost}", f"{seconds_lost:.1f} s", f"{redone}"))

    return row


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if ROWS:
        head = ("fault", "stages lost", "time lost", "finished files made again")
        widths = [max(len(row[column]) for row in (head, *ROWS)) for column in range(4)]
        terminalreporter.write_line("")
        for row in (head, *ROWS):
            terminalreporter.write_line(
                "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True))
            )
