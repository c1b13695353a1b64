"""The small project in three states. Session-wide ones are shared: tests do not change them."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from small_project import Project, copy_of, make_project


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("workflow") / "empty")


@pytest.fixture(scope="session")
def finished(empty: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with the results of its whole grid, which the workflow made from the checkpoint alone.

    Made once for all processes that share a run of the tests.
    """
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    with open(f"{root}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.is_dir():
            project = copy_of(empty, root.with_name("unfinished"))
            shutil.rmtree(project.root / "data")
            project.make()
            project.root.rename(root)
    return Project(root)


@pytest.fixture
def fresh(empty: Project, tmp_path: Path) -> Project:
    """A project of one's own in which nothing was made."""
    return copy_of(empty, tmp_path / "project")


@pytest.fixture
def done(finished: Project, tmp_path: Path) -> Project:
    """A finished project of one's own."""
    return copy_of(finished, tmp_path / "project")
