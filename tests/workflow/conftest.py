"""The small project in three states. Session-wide ones are shared: tests do not change them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_project import CHECKPOINT, PARTS, ROOT, Project, copy_of, save_tiny

from viddiff.data.bouncy_balls import write_bouncy_balls


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with a checkpoint and data, before anything was made."""
    root = tmp_path_factory.mktemp("workflow") / "empty"
    root.mkdir()
    for part in PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / part)
    project = Project(root)
    project.configure()
    save_tiny(root / "checkpoints" / CHECKPOINT / "ema_0.9999_000100.pt")
    write_bouncy_balls(root / "data", "train", 2, length=12)
    write_bouncy_balls(root / "data", "test", 7, length=12)
    return project


@pytest.fixture(scope="session")
def finished(empty: Project) -> Project:
    """The project with the results of its whole grid, which the workflow made from the checkpoint alone."""
    project = copy_of(empty, empty.root.parent / "finished")
    shutil.rmtree(project.root / "data")
    project.make()
    return project


@pytest.fixture
def fresh(empty: Project, tmp_path: Path) -> Project:
    """A project of one's own in which nothing was made."""
    return copy_of(empty, tmp_path / "project")


@pytest.fixture
def done(finished: Project, tmp_path: Path) -> Project:
    """A finished project of one's own."""
    return copy_of(finished, tmp_path / "project")
