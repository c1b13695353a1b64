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

    forks: bool = field(default=False, kw_only=True)
    cluster: Cluster | None = None
    more: tuple[str, ...] = ()
    started: list[subprocess.Popen] = field(default_factory=list)

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
            process = subprocess.Popen(
                self.command(*arguments),
                cwd=self.root,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def hook(self, *lines: str) -> None:
        """Have sampling jobs execute lines of Python after each stage, of which `done` are done."""
        script = self.root / "workflow_scripts" / "sample.py"
        text = script.read_text()
        body = "".join(f"    {line}\n" for line in lines)
        text = text.replace("with job(", f"def after_stage(done, total):\n{body}\n\nwith job(")
        told = "work.on_device(os.environ)"
        assert told in text
        text = text.replace(told, f"replace({told}, progress=after_stage)")
        script.write_text(
            text.replace("import logging\n", "import logging\nfrom dataclasses import replace\n")
        )

    def finish(self, process: subprocess.Popen) -> int:
        """Wait for a run; returns its exit code."""
        return process.wait(300)

    def end(self) -> None:
        """Kill all runs that were started, and their jobs."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if self.cluster:
            self.cluster.cancel_all()

    def edit_profile(self, old: str, new: str) -> None:
        """Change the site's settings."""
        profile = self.root / "profiles" / "slurm" / "config.yaml"
        text = profile.read_text()
        assert old in text
        profile.write_text(text.replace(old, new))

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

    def sampling_processes(self) -> list[int]:
        """The Python processes of the sampling jobs of this project that run now."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                mine = any(
                    word.startswith(bytes(self.root)) and word.endswith(b".sample.py") for word in words[1:3]
                )
                if mine and b"python" in words[0]:
                    found.append(int(folder.name))
        return found

    def sampling_logs(self) -> str:
        """The logs of sampling jobs."""
        return "".join(path.read_text() for path in (self.root / "logs").rglob("samples_*.log"))

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
def finished(prepared: Project) -> Faulted:
    """The project after a run on this machine that nothing disturbed. Tests do not change it."""
    project = Faulted(copy_of(prepared, prepared.root.parent / "undisturbed").root)
    project.make("metrics")
    return project


@pytest.fixture(scope="session")
def undisturbed(finished: Faulted) -> dict[str, bytes]:
    """The results of that run."""
    results = finished.results()
    assert len(results) == 6
    return results


@pytest.fixture
def local(prepared: Project, tmp_path: Path) -> Iterator[Faulted]:
    """A project of one's own that runs on this machine."""
    project = Faulted(copy_of(prepared, tmp_path / "project").root)
    yield project
    project.end()


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
def remote(prepared: Project, tmp_path: Path, cluster: Cluster) -> Iterator[Faulted]:
    """A project of one's own that runs on the cluster."""
    project = Faulted(copy_of(prepared, tmp_path / "project").root, cluster)
    yield project
    project.end()


ROWS = []


@pytest.fixture
def note(request: pytest.FixtureRequest):
    """Put a fault into the table that is printed at the end: what was lost, and files made again that were finished."""

    def row(fault: str, stages_lost: int, seconds_lost: float, redone: int) -> None:
        ROWS.append((fault, f"{stages_lost}", f"{seconds_lost:.1f} s", f"{redone}"))

    return row


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if ROWS:
        head = ("fault", "stages lost, at most", "time lost", "finished files made again")
        widths = [max(len(row[column]) for row in (head, *ROWS)) for column in range(4)]
        terminalreporter.write_line("")
        for row in (head, *ROWS):
            terminalreporter.write_line(
                "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True))
            )
