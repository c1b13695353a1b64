"""The distance of two sets of features, and the metrics that use it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from viddiff.errors import InputError
from viddiff.metrics.base import Facts
from viddiff.metrics.frechet import exchanged_distances, frechet_distance
from viddiff.metrics.fvd_windows import fvd_windows, window_distances
from viddiff.metrics.kvd import kvd
from viddiff.metrics.statistics import label_flips


def draw(seed, count, width, mean=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) + mean


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize(("x", "y"), [(50, 60), (9, 50), (5, 5)])
def test_it_is_that_of_the_root_of_a_matrix(x, y, ddof):
    x, y = draw(0, x, 8), draw(1, y, 8, 1.0)
    a, b = (np.cov(each.T, ddof=ddof) for each in (x, y))
    root = scipy.linalg.sqrtm(a @ b).real
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * root)
    assert frechet_distance(x, y, ddof) == pytest.approx(expected, rel=1e-6)


def test_it_knows_shifts_scales_and_itself():
    x = draw(0, 20, 30).astype(np.float32)
    assert all(frechet_distance(1e3 * draw(seed, 4, 400), 1e3 * draw(seed, 4, 400)) == 0 for seed in range(9))
    assert frechet_distance(x, x[::-1]) == 0 < frechet_distance(x, x + 1e-4)
    shift = np.linspace(0, 1, 30)
    assert frechet_distance(x.astype(float), x + shift) == pytest.approx(shift @ shift)
    variance = np.cov(x.T).trace()
    assert frechet_distance(x, 3 * x) == pytest.approx(
        4 * variance + 4 * np.square(x.mean(0)).sum(), rel=1e-5
    )
    assert np.isfinite(frechet_distance(1e4 * x, 2e4 * x))


def test_one_video_has_no_covariance():
    with pytest.raises(InputError, match="needs 2 videos or more, found 1"):
        frechet_distance(draw(0, 1, 4), draw(0, 5, 4))


@pytest.mark.parametrize("width", [3, 30])
def test_exchanged_distances_are_those_of_exchanged_rows(width):
    x, other, y = (draw(seed, 12, width, seed) for seed in range(3))
    flips = label_flips(12, 7)
    found = exchanged_distances(x, other, y, flips, ddof=0)
    for flip, distances in zip(flips, found, strict=True):
        a, b = np.where(flip[:, None], other, x), np.where(flip[:, None], x, other)
        assert distances == pytest.approx([frechet_distance(a, y, 0), frechet_distance(b, y, 0)])


def test_kvd_is_unbiased_and_may_be_negative():
    """The mean over pairs of different videos, written out."""
    x, y = draw(0, 4, 5), draw(1, 4, 5)

    def kernel(a, b):
        return (a @ b / 5 + 1) ** 3

    own = [kernel(each[i], each[j]) for each in (x, y) for i in range(4) for j in range(4) if i != j]
    cross = [kernel(a, b) for a in x for b in y]
    assert kvd(x, y, Facts(0)) == pytest.approx(2 * np.mean(own) - 2 * np.mean(cross))
    values = [kvd(*np.random.default_rng(seed).normal(size=(2, 20, 5)), Facts(0)) for seed in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20 and min(values) < 0


def windows(seed, offsets):
    """Rows of five videos that differ by an offset in each window."""
    rows = draw(seed, 5, 400)
    return np.concatenate([rows + offset for offset in offsets], 1)


def test_windows_tell_the_drift_of_generated_frames():
    truth, made = windows(0, [0, 0, 0, 0]), windows(0, [0, 0.1, 0.2, 0.3])
    positions, distances = window_distances(made, truth, Facts(10))
    assert positions == [0, 16, 32, 48]
    assert distances == pytest.approx([0, 4, 16, 36], abs=1e-6)
    assert fvd_windows(made, truth, Facts(10)) == pytest.approx(36 - 4)
    assert fvd_windows(made, truth, Facts(17)) == pytest.approx(36 - 16)
    assert fvd_windows(made, truth, Facts(16)) == fvd_windows(made, truth, Facts(10))
    assert window_distances(made, truth, Facts(10, first=10))[0] == [10, 26, 42, 58]
    assert fvd_windows(made, truth, Facts(10, first=10)) == pytest.approx(36)
    with pytest.raises(InputError, match="1 windows of 16 generated frames, needs 2 or more"):
        fvd_windows(made, truth, Facts(33))
