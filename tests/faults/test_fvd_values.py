"""FVD equal to the original's: published values, and those of the same weights in other networks. Takes minutes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from viddiff.metrics.frechet import frechet_distance
from viddiff.metrics.i3d import I3D, build_i3d
from viddiff.metrics.i3d_weights import load_i3d

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def network(i3d) -> I3D:
    return build_i3d(load_i3d(i3d).tensors)


@pytest.mark.parametrize(
    ("length", "expected"),
    # The first: 151.39244 in the original's TensorFlow. The others: the network of JAX.
    [(30, 151.39244), (9, 492.62802), (15, 133.90829), (16, 152.90188)],
)
def test_black_against_white(network, length, expected):
    black, white = (network(torch.full((1, 3, length, 224, 224), value)).numpy() for value in (-1.0, 1.0))
    assert frechet_distance(np.repeat(black, 8, 0), np.repeat(white, 8, 0)) == pytest.approx(
        expected, rel=1e-5
    )


def test_random_videos(network):
    """Values in [0, 1] of two seeds: 10.138085365 of 128 in the original's TensorFlow."""

    def logits(seed: int) -> np.ndarray:
        random = np.random.RandomState(seed)
        videos = (torch.tensor(random.rand(1, 16, 224, 224, 3)).float() for _ in range(128))
        return np.concatenate([network(video.permute(0, 4, 1, 2, 3)).numpy() for video in videos])

    x, y = logits(1), logits(2)
    expected = {2: 98.205366, 4: 80.393403, 8: 65.463095, 16: 48.741117, 32: 30.819649, 64: 18.402424}
    found = {count: frechet_distance(x[:count], y[:count]) for count in (*expected, 128)}
    assert found == pytest.approx(expected | {128: 10.138085365}, rel=1e-5)
