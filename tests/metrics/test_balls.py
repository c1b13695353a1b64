"""Balls in frames: found where they are, and counted as they are, in true frames and in disturbed ones."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment

from viddiff.data.bouncy_balls import BOX, RADIUS, draw, simulate, start_state
from viddiff.errors import InputError
from viddiff.metrics.balls import balls
from viddiff.metrics.base import MetricSettings
from viddiff.metrics.discs import behind_curtain, count_discs, find_discs

SETTINGS = MetricSettings()


def frames_of(positions, size=32):
    """uint8 `[T, 3, H, W]` of up to three balls at positions `[T, balls, 2]`."""
    elsewhere = np.full((len(positions), 3 - positions.shape[1], 2), -100.0)
    images = draw(np.concatenate([positions, elsewhere], 1)[None], size)[0]
    return (images * 255 + 0.5).astype(np.uint8).repeat(3, 1)


@pytest.fixture(scope="module")
def positions():
    """Of four videos, one after another."""
    return simulate(*start_state(4, seed=1), 100)[0].reshape(-1, 3, 2)


@pytest.fixture(scope="module")
def video(positions):
    return frames_of(positions)


def errors(positions, centres):
    """Of each ball its distance, in pixels of 32, from the disc that is paired with it."""
    distances = np.linalg.norm(positions[:, :, None] - centres[:, None], axis=-1) * 32 / BOX
    return np.stack([each[linear_sum_assignment(each)] for each in distances])


@pytest.mark.parametrize("size", [32, 64])
def test_true_balls_are_found_within_a_fraction_of_a_pixel(positions, size):
    centres = find_discs(frames_of(positions, size))
    assert (count_discs(centres) == 3).all()
    found = errors(positions, centres[:, :3])
    assert found.mean() < 0.05 and found.max() < 0.4


def test_balls_that_touch_are_still_two(positions):
    """The sample has them touching, and pairs at any angle and place within a pixel are told apart."""
    gaps = [np.linalg.norm(positions[:, i] - positions[:, j], axis=-1) for i, j in combinations(range(3), 2)]
    assert (np.min(gaps, 0) < 2 * RADIUS + 0.05).sum() > 5
    rng = np.random.default_rng(0)
    middle, angle = 5 + rng.uniform(-0.5, 0.5, (200, 2)), rng.uniform(0, np.pi, 200)
    half = RADIUS * np.stack([np.cos(angle), np.sin(angle)], 1)
    far = np.full((200, 2), [1.2, 1.2])
    assert (count_discs(find_discs(frames_of(np.stack([middle + half, middle - half, far], 1)))) == 3).all()


def test_balls_that_run_into_each_other_are_one_when_they_cover_each_other():
    """In a corner and two with centres from 0 to 2 r apart."""
    apart = np.linspace(0, 2 * RADIUS, 25)
    pair = np.stack([np.stack([3 + apart, np.full(25, 6)], 1), np.full((25, 2), [3, 6])], 1)
    count = count_discs(find_discs(frames_of(pair)))
    assert (count[apart < 0.6 * RADIUS] == 1).all() and (count[apart > 1.6 * RADIUS] == 2).all()
    assert (np.diff(count) >= 0).all()


def test_the_true_video_has_its_own_number_of_balls(video):
    assert (balls(video[None], video, SETTINGS) == 1).all()


def blurred(video):
    return gaussian_filter(video.astype(float), (0, 0, 1.2, 1.2))


def noisy(video):
    return video + np.random.default_rng(0).normal(0, 60, video.shape)


@pytest.mark.parametrize("disturb", [blurred, noisy, lambda video: 0.75 * video])
def test_blur_noise_and_fading_change_no_number(video, disturb):
    disturbed = disturb(video).clip(0, 255).astype(np.uint8)
    assert balls(disturbed[None], video, SETTINGS).mean() > 0.99


def test_a_ball_that_is_missing_or_made_up_is_seen(video, positions):
    without = frames_of(positions[:, :2])
    ghost = video.copy()
    ghost[:, :, :12, :12] = np.maximum(
        ghost[:, :, :12, :12], frames_of(np.full((1, 1, 2), 1.8))[:, :, :12, :12]
    )
    free = np.linalg.norm(positions - 1.8, axis=-1).min(1) > 2 * RADIUS
    wrong = balls(np.stack([without, ghost]), video, SETTINGS)
    assert (wrong[0] == 0).all() and free.sum() > 100 and (wrong[1, free] == 0).all()


@pytest.mark.parametrize("brightness, number", [(0.5, 2), (0.8, 3)])
def test_a_faint_ball_counts_from_five_eighths_on(positions, brightness, number):
    whole, faint = frames_of(positions[:, :2]), frames_of(positions[:, 2:])
    frames = np.maximum(whole, (brightness * faint).astype(np.uint8))
    assert (count_discs(find_discs(frames)) == number).all()


def test_nothing_and_everything_are_counted_too():
    assert count_discs(find_discs(np.zeros((2, 3, 32, 32), np.uint8))).tolist() == [0, 0]
    assert count_discs(find_discs(np.full((1, 3, 32, 32), 255, np.uint8))).tolist() == [8]


def test_frames_that_are_not_square_are_refused():
    with pytest.raises(InputError, match=r"^frames are 32x48, must be square$"):
        find_discs(np.zeros((1, 3, 32, 48), np.uint8))


def test_balls_behind_the_curtain_do_not_count_and_those_that_look_out_do(positions, video):
    curtain = video.copy()
    curtain[..., :16] = 128
    assert behind_curtain(curtain)[..., :16].all() and not behind_curtain(curtain)[..., 16:].any()
    assert not behind_curtain(video).any()
    centres = find_discs(curtain, behind_curtain(curtain))
    x = positions[..., 0]
    assert ((x > 4.7).sum(1) <= count_discs(centres)).all() and (
        count_discs(centres) <= (x > 4.5).sum(1)
    ).all()
    assert (balls(curtain[None], curtain, SETTINGS) == 1).all()
    alone = np.where(x > 4.7, 0.0, 100.0)[..., None] + positions
    seen = [
        (found[:n], alone_) for found, n, alone_ in zip(centres, (x > 4.7).sum(1), alone, strict=True) if n
    ]
    distances = [np.linalg.norm(true[:, None] - found, axis=-1).min(0) for found, true in seen]
    assert np.concatenate(distances).max() * 32 / BOX < 0.4
