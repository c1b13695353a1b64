"""Properties that follow from the definitions, for every metric in the registry where possible."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viddiff.errors import InputError
from viddiff.metrics.base import MetricSettings, frame_chunks
from viddiff.metrics.base import metric as metrics
from viddiff.metrics.lpips import lpips
from viddiff.metrics.psnr import largest_finite_psnr, psnr
from viddiff.metrics.ssim import K1, ssim
from viddiff.registry import declared_facts


def frames(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(params=metrics.names())
def name(request):
    return request.param


@pytest.fixture
def metric(name):
    return metrics.find(name)


def test_the_three_of_the_paper_are_there():
    assert {"psnr", "ssim", "lpips"} <= set(metrics.names())


def test_a_frame_does_not_depend_on_its_batch(metric, alexnet):
    """Alone, among others, in another order, in chunks: the same number."""
    choice = MetricSettings(alexnet=alexnet)
    truth, samples = frames(0, 100, 3, 32, 32), frames(1, 2, 100, 3, 32, 32)
    whole = metric.compute(samples, truth, choice)
    assert whole.shape == (1 if metric.joint else 2, 100) and whole.dtype == np.float64
    order = np.random.default_rng(2).permutation(100)
    shuffled = metric.compute(samples[:, order], truth[order], choice)
    np.testing.assert_allclose(shuffled, whole[:, order], rtol=0, atol=2e-6)
    for t in (0, 50, 99):
        together = samples if metric.joint else samples[1:]
        alone = metric.compute(together[:, t : t + 1], truth[t : t + 1], choice)
        np.testing.assert_allclose(alone[0, 0], whole[-1, t], rtol=0, atol=2e-6)


def test_equal_frames_are_best_and_inputs_stay_as_they_are(name, metric, alexnet):
    choice = MetricSettings(alexnet=alexnet)
    truth = frames(0, 3, 3, 32, 32)
    samples = np.stack([truth] * (2 if metric.joint else 1))
    best = metric.compute(samples, truth, choice)
    worse = metric.compute(255 - samples, truth, choice)
    assert np.array_equal(samples[0], truth)
    if metric.higher_is_better is None:
        return
    assert ((best > worse) if metric.higher_is_better else (best < worse)).all()
    expected = {"psnr": math.inf, "ssim": 1.0, "lpips": 0.0}
    if name in expected:
        np.testing.assert_allclose(best, np.full_like(best, expected[name]), atol=1e-6)


@given(low=st.integers(0, 127), offset=st.integers(1, 128))
def test_psnr_of_a_constant_offset(low, offset):
    truth = np.full((1, 3, 5, 4), low, np.uint8)
    value = psnr((truth + np.uint8(offset))[None], truth, MetricSettings())
    assert value.item() == pytest.approx(20 * math.log10(255 / offset), abs=1e-9)


@pytest.mark.parametrize("size", [(16, 16), (128, 128), (17, 19), (1, 263), (6, 43)])
def test_psnr_sums_exactly_whatever_the_size(size):
    rng = np.random.default_rng(0)
    truth = np.stack([np.zeros((1, *size), np.uint8), rng.integers(0, 256, (1, *size), dtype=np.uint8)])
    sample = np.stack([np.full((1, *size), 255, np.uint8), rng.integers(0, 256, (1, *size), dtype=np.uint8)])
    mse = np.square(sample.astype(np.int64) - truth).sum((1, 2, 3)) / (255.0**2 * math.prod(size))
    assert np.array_equal(psnr(sample[None], truth, MetricSettings())[0], -10.0 * np.log10(mse) + 0.0)


def test_psnr_is_averaged_over_channels():
    truth = np.zeros((1, 3, 4, 4), np.uint8)
    sample = truth.copy()
    sample[0, 0], sample[0, 1], sample[0, 2] = 1, 10, 100
    expected = np.mean([20 * math.log10(255 / offset) for offset in (1, 10, 100)])
    assert psnr(sample[None], truth, MetricSettings()).item() == pytest.approx(expected, abs=1e-9)


def test_an_equal_channel_does_not_hide_the_others():
    truth = np.zeros((2, 3, 8, 8), np.uint8)
    sample = truth.copy()
    sample[0, :2] = 100
    value, perfect = psnr(sample[None], truth, MetricSettings())[0]
    expected = (2 * 20 * math.log10(255 / 100) + largest_finite_psnr(8, 8)) / 3
    assert value == pytest.approx(expected, abs=1e-9)
    assert perfect == math.inf


def test_the_worst_psnr_is_zero_without_a_sign():
    truth = np.zeros((1, 3, 4, 4), np.uint8)
    worst = psnr((255 - truth)[None], truth, MetricSettings()).item()
    assert worst == 0.0 and math.copysign(1.0, worst) == 1.0


def test_largest_finite_psnr():
    truth = np.zeros((1, 1, 6, 9), np.uint8)
    sample = truth.copy()
    sample[0, 0, 2, 3] = 1
    assert psnr(sample[None], truth, MetricSettings()).item() == pytest.approx(largest_finite_psnr(6, 9))


@given(a=st.integers(0, 255), b=st.integers(0, 255), data_range=st.sampled_from([1.0, 2.0]))
def test_ssim_of_flat_frames(a, b, data_range):
    """Without variance only the means are compared; the extremes show that no sum overflows."""
    x, y = (np.full((1, 2, 8, 9), value, np.uint8) for value in (a, b))
    c1 = (K1 * 255 * data_range) ** 2
    value = ssim(x[None], y, MetricSettings(ssim_data_range=data_range)).item()
    assert value == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(7, 12), width=st.integers(7, 12), seed=st.integers(0, 99))
def test_ssim_is_symmetric_and_ignores_mirroring(height, width, seed):
    x, y = frames(seed, 2, 3, height, width), frames(seed + 100, 2, 3, height, width)
    value = ssim(x[None], y, MetricSettings())
    np.testing.assert_allclose(ssim(y[None], x, MetricSettings()), value, rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        ssim(x[None, ..., ::-1], y[..., ::-1], MetricSettings()), value, rtol=0, atol=1e-6
    )


def test_ssim_refuses_small_frames_and_unknown_ranges():
    with pytest.raises(InputError, match=r"6x9.*7x7"):
        ssim(frames(0, 1, 1, 1, 6, 9), frames(0, 1, 1, 6, 9), MetricSettings())
    with pytest.raises(InputError, match=r"ssim_data_range is 255.*1 and 2"):
        ssim(frames(0, 1, 1, 1, 8, 8), frames(0, 1, 1, 8, 8), MetricSettings(ssim_data_range=255))


def test_lpips_refuses_what_the_network_cannot_take(alexnet):
    with pytest.raises(InputError, match=r"30x40.*31x31"):
        lpips(frames(0, 1, 1, 3, 30, 40), frames(0, 1, 3, 30, 40), MetricSettings(alexnet=alexnet))
    with pytest.raises(InputError, match="3 channels, found 1"):
        lpips(frames(0, 1, 1, 1, 32, 32), frames(0, 1, 1, 32, 32), MetricSettings(alexnet=alexnet))
    with pytest.raises(InputError, match=r"no\.pt is missing"):
        lpips(frames(0, 1, 1, 3, 32, 32), frames(0, 1, 3, 32, 32), MetricSettings(alexnet=Path("no.pt")))


@given(count=st.integers(0, 50), values=st.integers(1, 40), limit=st.integers(1, 100))
def test_chunks_cover_all_frames_within_the_limit(count, values, limit):
    chunks = list(frame_chunks(count, values, limit))
    assert [i for chunk in chunks for i in range(count)[chunk]] == list(range(count))
    assert all(
        (chunk.stop - chunk.start) * values <= limit or chunk.stop - chunk.start == 1 for chunk in chunks
    )


@pytest.mark.parametrize("kind", ["metric", "set_metric"])
def test_each_says_what_it_is(kind):
    for name, facts in declared_facts(kind, "viddiff.metrics").items():
        assert str(facts.get("meaning", "")).endswith("."), name
