"""Metrics of all samples of a video together: `crps`, `spread`, `skill`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viddiff.errors import InputError
from viddiff.metrics.base import MetricSettings, metric
from viddiff.metrics.crps import crps
from viddiff.metrics.skill import skill
from viddiff.metrics.spread import spread

JOINT = [name for name in metric.names() if metric.find(name).joint]


def frames(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def to_frames(values):
    """Values about N(0, 1) as frames: standard deviation 20/255, far from both ends."""
    return np.round(128 + 20 * values).astype(np.uint8)


def test_all_three_are_joint():
    assert JOINT == ["crps", "skill", "spread"]


@settings(max_examples=20, deadline=None)
@given(count=st.integers(2, 6), length=st.integers(1, 4), seed=st.integers(0, 99))
def test_all_are_their_definitions(count, length, seed):
    samples, truth = frames(seed, count, length, 3, 4, 5), frames(seed + 100, length, 3, 4, 5)
    x, y = samples / 255, truth / 255
    pairs = sum(np.abs(a - b) for a in x for b in x) / (2 * count * (count - 1))
    expected = {
        "crps": (np.abs(x - y).mean(0) - pairs).mean((1, 2, 3)),
        "spread": np.sqrt((1 + 1 / count) * x.var(0, ddof=1).mean((1, 2, 3))),
        "skill": np.sqrt(np.square(x.mean(0) - y).mean((1, 2, 3))),
    }
    for name in JOINT:
        values = metric.find(name).compute(samples, truth, MetricSettings())
        assert values.shape == (1, length) and values.dtype == np.float64
        np.testing.assert_allclose(values[0], expected[name], rtol=0, atol=1e-14)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_samples_of_the_truths_own_distribution_are_calibrated(count):
    """Gaussians: the spread is the skill, both are sigma sqrt(1 + 1/N); the fair CRPS is sigma / sqrt(pi) for any N."""
    values = np.random.default_rng(0).standard_normal((count + 1, 4, 1, 100, 100))
    samples, truth = to_frames(values[1:]), to_frames(values[0])
    sigma = np.hypot(20, np.sqrt(1 / 12)) / 255  # with the rounding
    for compute in (spread, skill):
        found = compute(samples, truth, MetricSettings()).mean()
        assert found == pytest.approx(sigma * np.sqrt(1 + 1 / count), rel=0.01)
    assert crps(samples, truth, MetricSettings()).mean() == pytest.approx(sigma / np.sqrt(np.pi), rel=0.015)


@pytest.mark.parametrize("width", [0.4, 2.5])
def test_too_sure_and_too_wide_samples_are_found_out(width):
    values = np.random.default_rng(1).standard_normal((5, 2, 1, 60, 60))
    truth = to_frames(values[0])
    right, wrong = to_frames(values[1:]), to_frames(width * values[1:])
    ratio = (spread(wrong, truth, MetricSettings()) / skill(wrong, truth, MetricSettings())).mean()
    assert ratio < 0.5 if width < 1 else ratio > 1.5
    assert crps(wrong, truth, MetricSettings()).mean() > 1.05 * crps(right, truth, MetricSettings()).mean()


def test_equal_samples_have_their_own_error():
    samples = np.full((3, 2, 1, 4, 4), 255, np.uint8)
    truth = np.zeros((2, 1, 4, 4), np.uint8)
    truth[1] = 51
    for name, expected in {"crps": [1.0, 0.8], "spread": [0.0, 0.0], "skill": [1.0, 0.8]}.items():
        np.testing.assert_allclose(
            metric.find(name).compute(samples, truth, MetricSettings())[0], expected, atol=1e-15
        )


@pytest.mark.parametrize("name", JOINT)
def test_the_order_of_samples_says_nothing_and_one_is_too_few(name):
    samples, truth = frames(0, 4, 3, 3, 6, 6), frames(1, 3, 3, 6, 6)
    compute = metric.find(name).compute
    np.testing.assert_array_equal(
        compute(samples, truth, MetricSettings()), compute(samples[::-1], truth, MetricSettings())
    )
    with pytest.raises(InputError, match="at least 2 samples of a video, found 1"):
        compute(samples[:1], truth, MetricSettings())
