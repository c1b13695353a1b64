"""Speeds, laws and returns of balls: as the simulation has them on true videos, and not where these are changed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from viddiff.data.bouncy_balls import BOX, RADIUS, draw, simulate, start_state
from viddiff.data.bouncy_balls_curtain import hang_curtain
from viddiff.errors import InputError
from viddiff.metrics.ball_places import CUT_OFF, ball_places, ospa
from viddiff.metrics.ball_returns import pairs, return_heights, returns_of
from viddiff.metrics.ball_steps import ball_steps
from viddiff.metrics.ball_tracks import track_balls
from viddiff.metrics.base import Facts, MetricSettings, set_metric
from viddiff.metrics.measure import measure

SETTINGS = MetricSettings()
OF_STEPS = ("ball_speed", "ball_laws", "ball_bounces")


def videos_of(positions, curtain=False):
    """uint8 `[V, T, 3, 32, 32]` of balls at positions `[V, T, balls, 2]`."""
    images = draw(positions)
    if curtain:
        hang_curtain(images)
    return (images * 255 + 0.5).astype(np.uint8).repeat(3, 2)


@pytest.fixture(scope="module")
def positions():
    return simulate(*start_state(4, seed=1), 60)[0]


@pytest.fixture(scope="module")
def truth(positions):
    return videos_of(positions)


@pytest.fixture(scope="module")
def behind(positions):
    return videos_of(positions, curtain=True)


def measured(made, truth):
    """The three of steps, without those rows that `measure` makes for each."""
    rows, true = (ball_steps(videos, 0, SETTINGS) for videos in (made, truth))
    return {name: set_metric.find(name).compute(rows, true, Facts(0)) for name in OF_STEPS}


def test_every_true_ball_goes_on_as_itself(positions, truth):
    tracks = track_balls(truth[0])
    here, there = positions[0, :-1], positions[0, 1:]
    for t in range(59):
        number = cdist(tracks.centres[t, :3], here[t]).argmin(1)
        assert np.linalg.norm(tracks.after[t, :3] - there[t][number], axis=1).max() < 0.15
        assert np.isnan(tracks.after[t, 3:]).all()
    assert np.isnan(tracks.before[0]).all() and np.isnan(tracks.after[59]).all()


def test_true_videos_obey(truth, behind):
    found = measured(truth, truth)
    assert found["ball_speed"] == 1
    assert 0.9 < found["ball_laws"] < 1 and found["ball_bounces"] > 0.97
    found = measured(behind, behind)
    assert 0.88 < found["ball_laws"] < 1 and found["ball_bounces"] > 0.97


def test_neither_noise_nor_another_video_nor_time_backwards_breaks_a_law(truth):
    noise = np.random.default_rng(0).normal(0, 20, truth.shape)
    noisy = (truth + noise).clip(0, 255).astype(np.uint8)
    expected = measured(truth, truth)
    for other in (noisy, np.roll(truth, 1, 0), truth[:, ::-1].copy()):
        assert measured(other, truth) == pytest.approx(expected, abs=0.04)


def test_half_speed_is_told(positions, truth):
    slow = simulate(
        *(part * factor for part, factor in zip(start_state(4, seed=1), (1, 0.5), strict=True)), 60
    )[0]
    found = measured(videos_of(slow), truth)
    assert found["ball_speed"] == pytest.approx(0.5, abs=0.02)
    assert found["ball_laws"] > 0.9  # slow, but lawful


def test_balls_that_go_through_walls_and_each_other_are_told(truth):
    """Three that go straight through each other, and turn at the walls a radius too late."""
    x, v = start_state(4, seed=1)
    low, high = RADIUS / 4, BOX - RADIUS / 4
    straight = x[:, None] + v[:, None] * np.arange(60)[:, None, None]
    folded = high - np.abs((straight - low) % (2 * (high - low)) - (high - low))
    found = measured(videos_of(folded), truth)
    assert found["ball_bounces"] < 0.6 and found["ball_laws"] < 0.9


def test_jumps_are_unlawful_and_standing_still_bounces_never(positions, truth):
    jumping = positions.copy()
    jumping[:, 1::2] += 0.3 * np.sign(5 - positions[:, 1::2])
    assert measured(videos_of(jumping), truth)["ball_laws"] < 0.1
    still = np.broadcast_to(truth[:, :1], truth.shape)
    assert measure("ball_speed", still, truth) == 0
    with pytest.raises(InputError, match="no generated frame has a ball that has to bounce"):
        measure("ball_bounces", still, truth)
    with pytest.raises(InputError, match="no generated frame has a ball that goes on"):
        measure("ball_speed", np.zeros_like(truth), truth)


def test_returns_are_those_of_the_simulation(positions, behind):
    for video, row in zip(positions, return_heights(behind, 0, SETTINGS), strict=True):
        x = video[..., 0]
        frame, ball = ((x[:-1] < 5) & (x[1:] >= 5)).nonzero()
        expected = np.stack([frame + 1, video[frame + 1, ball, 1]], 1)
        found = returns_of(row, Facts(0))
        assert len(found) == len(expected)
        assert (np.abs(found - expected) <= (1, 0.3)).all()


def test_returns_count_where_and_when_they_are_due(positions, truth, behind):
    assert measure("ball_returns", behind, behind) == 1
    for late, least, most in ((2, 0.8, 1), (5, 0, 0.3)):
        delayed = np.concatenate([behind[:, :1].repeat(late, 1), behind[:, :-late]], 1)
        assert least <= measure("ball_returns", delayed, behind) <= most
    turned = videos_of(np.stack([positions[..., 0], BOX - positions[..., 1]], -1), curtain=True)
    assert measure("ball_returns", turned, behind) < 0.5
    empty = behind.copy()
    empty[..., 16:] = 0
    assert measure("ball_returns", empty, behind) == 0
    with pytest.raises(InputError, match="no true ball comes out from behind a curtain in a generated frame"):
        measure("ball_returns", truth, truth)


def test_each_return_is_paired_once():
    one, two = np.array([[10.0, 3.0]]), np.array([[9.0, 3.0], [12.0, 3.5]])
    assert (pairs(one, two), pairs(two, one), pairs(two, two), pairs(one, two + np.array([3, 0]))) == (
        1,
        1,
        2,
        1,
    )
    assert (
        pairs(one, one + np.array([4, 0])) == pairs(one, one + np.array([0, 1.3])) == pairs(one, two[:0]) == 0
    )


def test_ospa_of_places_worked_out_by_hand():
    x = np.array([[1.0, 1.0], [5.0, 5.0], [np.nan, np.nan]])
    y = np.array([[5.0, 5.5], [1.0, 1.0], [9.0, 9.0]])
    assert ospa(x, y) == ospa(y, x) == pytest.approx((0.5 + 0 + CUT_OFF) / 3)
    assert ospa(x, x) == 0 and ospa(x[:1], y[2:]) == CUT_OFF and ospa(x[2:], y) == CUT_OFF
    assert ospa(x[2:], x[2:]) == 0


def test_places_of_moved_and_missing_balls(positions, truth, behind):
    moved = videos_of(positions + np.array([0.2, 0.1]))
    assert ball_places(moved[0][None], truth[0], SETTINGS).mean() == pytest.approx(0.05**0.5, abs=0.01)
    assert ball_places(truth[:1], truth[0], SETTINGS).max() == 0
    without = videos_of(positions[:1, :, :2])
    expected = CUT_OFF / 3
    assert ball_places(without, truth[0], SETTINGS).mean() == pytest.approx(expected, abs=0.04)
    assert ball_places(behind[:1], behind[0], SETTINGS).max() == 0
