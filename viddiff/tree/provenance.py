"""What made the files of an evaluation directory: each job leaves a record.

    results/<run>/<checkpoint>/<mode>/provenance/<job>-<any>.json

It is written when the work begins and again when it ends: a record without `ended` is of a job that was killed.
"""

from __future__ import annotations

import platform
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from viddiff.device import device_name
from viddiff.files.write import write_json


@contextmanager
def recorded(
    directory: Path, job: str, device: str | torch.device, origin: Mapping[str, str | None]
) -> Iterator[list[Path]]:
    """Keep a record of the block's work. Yields a list for the files that it makes, in the evaluation directory.

    job: what is done, `samples_0000-0`; origin: what only the caller knows, such as the command.
    """
    path = directory / "provenance" / f"{job}-{uuid.uuid4().hex[:8]}.json"
    made: list[Path] = []
    record = {"began": _now(), **origin, "device": device_name(device), "versions": versions()}
    write_json(path, record)
    outcome = "done"
    try:
        yield made
    except BaseException as error:
        outcome = type(error).__name__
        raise
    finally:
        files = [str(file.relative_to(directory)) for file in made]
        write_json(path, record | {"ended": _now(), "outcome": outcome, "made": files})


@cache
def versions() -> dict[str, str | None]:
    """Of what decides about numbers: the code, if it is a git checkout its commit, and the libraries."""
    return {
        **{name: _version(name) for name in ("viddiff", "numpy", "snakemake")},
        "torch": torch.__version__,  # the build too
        "commit": _commit(Path(__file__).parent),
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _version(package: str) -> str | None:
    """Of an installed package; `None` if it is none, as a source tree on Python's path is."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit(folder: Path) -> str | None:
    """The commit of a checkout, with `-dirty` behind it if files were changed; `None` if it is none."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
