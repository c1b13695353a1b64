"""Helpers beside this file (`seeded`, `literal`) can be imported from every test, and real LPIPS weights be had."""

from pathlib import Path

import pytest

from viddiff.metrics.weights import fetch_alexnet

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def alexnet() -> Path:
    """The LPIPS-AlexNet weights file; fetched once per checkout into `.weights/`."""
    path = ROOT / ".weights" / "alexnet.pt"
    if not path.exists():
        fetch_alexnet(path)
    return path
