"""Completions without a model."""

from __future__ import annotations

import numpy as np
import pytest

from viddiff.metrics.baselines import MID_GREY, last_frame_repeated


@pytest.mark.parametrize(
    ("obs_length", "goals", "shown"),
    [
        (3, (), [0, 1, 2, 2, 2, 2]),
        (2, (4,), [0, 1, 1, 1, 4, 4]),
        (0, (), [None] * 6),
        (0, (3,), [None, None, None, 3, 3, 3]),
    ],
)
def test_each_frame_is_the_newest_given_one_before_it(obs_length, goals, shown):
    truth = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 5), dtype=np.uint8)
    before = truth.copy()
    video = last_frame_repeated(truth, obs_length, goals)
    expected = [np.full((3, 4, 5), MID_GREY) if frame is None else truth[frame] for frame in shown]
    np.testing.assert_array_equal(video, expected)
    np.testing.assert_array_equal(truth, before)
