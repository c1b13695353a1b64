"""Recorded results for the metrics' tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    """What the original computes on two samples of a video of six frames (`tests/golden/metrics.npz`)."""
    with np.load(ROOT / "tests" / "golden" / "metrics.npz", allow_pickle=False) as file:
        return dict(file)
