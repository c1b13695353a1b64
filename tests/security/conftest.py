"""A checkpoint as a stranger might send it, and a limit of memory that what it asks for would break."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from seeded import TINY, save_checkpoint

from viddiff.flat_config import with_defaults
from viddiff.model.build import build_model

CONFIG = with_defaults(TINY)


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a tiny network; tests do not change it."""
    path = tmp_path_factory.mktemp("honest") / "ema_0.9999_000100.pt"
    save_checkpoint(path, build_model(CONFIG).state_dict(), CONFIG, 100)
    return path


@pytest.fixture
def hostile(honest, tmp_path):
    """A function that writes a checkpoint like the honest one but for what it is told."""
    path = tmp_path / honest.name

    def write(weights=None, config=None, step=100) -> Path:
        content = torch.load(honest, weights_only=True)
        content["state_dict"] |= weights or {}
        content["config"] |= config or {}
        torch.save(content | {"step": step}, path)
        return path

    return write


@pytest.fixture
def little_memory():
    """A context in which no more than a gigabyte of address space can be taken."""

    @contextmanager
    def limit():
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    return limit
