"""A small project in a temporary folder: a tiny network, seven test videos, two modes, and the finished results."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
import yaml
from forked import interpreter
from seeded import TINY, save_checkpoint

from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.flat_config import with_defaults
from viddiff.model.build import build_model

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "rules", "workflow_scripts", "profiles", "slurm", "config", "environment.yml")
CHECKPOINT = "deep/tiny"
FOLDER = f"results/{CHECKPOINT}/ema_0.9999_000100_respace2"
MODES = ("autoreg_4_4_12_4", "hierarchy-2_4_2_12_4")

CONFIG = {
    "data_root": "data",
    "bouncy_balls": {"train": 2, "test": 7, "length": 12, "seed": 0},
    "training": {CHECKPOINT: {"dataset": "bouncy_balls", "T": 12, "steps": 100, "image_size": 32}},
    "grid": [
        {
            "runs": [CHECKPOINT],
            "checkpoints": ["ema_0.9999_000100_respace2"],
            "modes": list(MODES),
            "videos": 7,
            "samples": 1,
        }
    ],
    "sampling": {"videos_per_job": 5, "batch_size": 8},
    "metrics": {"names": ["psnr"]},
    "videos": {"formats": ["gif", "mp4"]},
    "report": {"videos": 2},
}


@dataclass(frozen=True)
class Project:
    """A folder in which the workflow runs.

    `forks`: whether Snakemake and its jobs are forks, which start at once, or processes of their own as for users.
    """

    root: Path
    forks: bool = field(default=True, kw_only=True)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake; its standard output and error come together."""
        python, *command = self.command(*arguments)
        return subprocess.run(
            [interpreter() if self.forks else python, *command],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", "--max-threads", "1", *arguments]

    def environment(self) -> dict[str, str]:
        return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def make(self, *arguments: str) -> str:
        """Run Snakemake, which must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def refused(self, *arguments: str) -> str:
        """Run Snakemake, which must fail without a traceback."""
        done = self.run(*arguments)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    def outputs(self, *arguments: str) -> set[str]:
        """All files that a dry run of these targets would make."""
        text = self.make("-np", *arguments)
        lines = re.findall(r"^    output: (.*)$", text, flags=re.MULTILINE)
        return {file.removesuffix(" (update)") for line in lines for file in line.split(", ")}

    def configure(self, **changes) -> None:
        """Change top-level keys of the configuration."""
        (self.root / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG | changes))

    def samples(self) -> dict[str, tuple[int, bytes]]:
        """Modification time and content of all samples, without those that are still being written."""
        files = sorted((self.root / "results").rglob("sample_*.npy"))
        return {
            str(file.relative_to(self.root)): (file.stat().st_mtime_ns, file.read_bytes()) for file in files
        }


def sample(mode: str, video: int) -> str:
    return f"{FOLDER}/{mode}/samples/sample_{video:04d}-0.npy"


def samples(mode: str, *videos: int) -> set[str]:
    return {sample(mode, video) for video in videos}


def copy_parts(root: Path, *parts: str) -> None:
    """Copy files and folders of this repository into a folder, links as links."""
    for part in parts:
        source = ROOT / part
        if source.is_symlink():
            (root / part).symlink_to(source.readlink())
        else:
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / part)


def make_project(root: Path) -> Project:
    """A project with a checkpoint and data, before anything was made."""
    root.mkdir(parents=True)
    copy_parts(root, *PARTS)
    project = Project(root)
    project.configure()
    save_tiny(root / "checkpoints" / CHECKPOINT / "ema_0.9999_000100.pt")
    write_bouncy_balls(root / "data", "train", 2, length=12)
    write_bouncy_balls(root / "data", "test", 7, length=12)
    return project


def save_tiny(path: Path, seed: int = 0, step: int = 100) -> None:
    """Write a checkpoint of a tiny network with random weights."""
    config = with_defaults(TINY)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_checkpoint(path, build_model(config).state_dict(), config, step)


def copy_of(project: Project, root: Path) -> Project:
    shutil.copytree(project.root, root, symlinks=True)
    return Project(root)
