"""LPIPS of two frames of a video against the time between them."""

from __future__ import annotations

import numpy as np
import pytest

from viddiff.errors import InputError
from viddiff.metrics.base import Facts, MetricSettings
from viddiff.metrics.lag import lag, lpips_against_lag
from viddiff.metrics.lags import LAGS, lags
from viddiff.metrics.lpips import lpips

LENGTH = 12


def frames(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_each_is_the_lpips_of_the_two_frames(alexnet, monkeypatch):
    """Embedded in three chunks, up to a lag of half the length; what has no second frame is 0."""
    length = 2 * LAGS[2]
    settings = MetricSettings(alexnet=alexnet)
    monkeypatch.setattr("viddiff.metrics.lpips.PIXELS_PER_CHUNK", 4 * 32 * 32)
    video = frames(0, length, 3, 32, 32)
    expected = np.zeros((len(LAGS), length))
    for number, distance in enumerate(LAGS[:3]):
        first = video[:-distance]
        expected[number, :-distance] = lpips(video[None, distance:], first, settings)[0]
    table = lags(video[None], 2, settings).reshape(len(LAGS), length)
    np.testing.assert_allclose(table, expected, rtol=0, atol=2e-6)


def test_twice_the_speed_is_as_changed_at_half_the_lag(alexnet):
    """A square that moves, and every other frame of it."""
    slow = np.zeros((2 * LENGTH, 3, 32, 40), np.uint8)
    for t in range(2 * LENGTH):
        slow[t, :, 8:20, t : t + 12] = 255
    settings = MetricSettings(alexnet=alexnet)
    table = [lags(video[None], 2, settings) for video in (slow[:LENGTH], slow[::2])]
    by_lag = [row.reshape(len(LAGS), LENGTH) for row in table]
    np.testing.assert_allclose(by_lag[0][1, ::2][:5], by_lag[1][0, :5], rtol=0, atol=2e-6)

    facts = Facts(2, (-1, -1, *[0] * (LENGTH - 2)))
    positions, values = lpips_against_lag(table[1], table[1], facts)
    assert positions == [1, 2, 5] and values == sorted(values)
    assert lag(table[0], table[0], facts) == 1
    assert lag(table[0], table[1], facts) < 0.9 and lag(table[1], table[0], facts) > 1.1


def test_only_pairs_of_generated_frames_count_up_to_half_their_number():
    table = np.full((1, len(LAGS), LENGTH), 9.0)
    made = np.arange(LENGTH) >= 4
    for number, distance in enumerate(LAGS[:3]):
        table[0, number, :-distance][made[:-distance] & made[distance:]] = distance
    rows = table.reshape(1, -1)
    for facts in (Facts(4, (-1,) * 4 + (0,) * 8), Facts(4, ())):
        assert lpips_against_lag(rows, rows, facts) == ([1, 2], [1, 2])
        assert lag(2 * rows, rows, facts) == pytest.approx(2)
    with pytest.raises(InputError, match="needs 2 generated frames or more, found 1"):
        lag(rows, rows, Facts(11, ()))
    with pytest.raises(InputError, match="true frames 1 apart are equal"):
        lag(rows, 0 * rows, Facts(4, ()))


def test_grey_videos_are_refused(alexnet):
    with pytest.raises(InputError, match="3 channels, found 1"):
        lags(frames(0, 1, 4, 1, 32, 32), 1, MetricSettings(alexnet=alexnet))
