from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from viddiff.data import bouncy_balls as balls
from viddiff.data import bouncy_balls_curtain as curtain
from viddiff.data import open_dataset
from viddiff.errors import InputError


@pytest.fixture(scope="module")
def motion():
    return balls.simulate(*balls.start_state(200, seed=3), length=300)


def test_energy_is_conserved(motion):
    _, velocities = motion
    energy = (velocities**2).sum((-2, -1))
    np.testing.assert_allclose(energy, balls.SPEED**2, rtol=1e-10)


def test_balls_stay_in_the_box(motion):
    positions, _ = motion
    assert positions.min() >= balls.RADIUS and positions.max() <= balls.BOX - balls.RADIUS


def test_balls_do_not_overlap(motion):
    positions, _ = motion
    for i, j in combinations(range(balls.BALLS), 2):
        distance = np.linalg.norm(positions[:, :, i] - positions[:, :, j], axis=-1)
        assert distance.min() > 2 * balls.RADIUS - 1e-9


def test_balls_bounce_off_walls_and_each_other(motion):
    positions, velocities = motion
    step = np.linalg.norm(np.diff(positions, axis=1), axis=-1)
    assert step.max() <= balls.SPEED + 1e-9
    speed = np.linalg.norm(velocities, axis=-1)
    assert (np.ptp(speed, axis=1) > 1e-3).mean() > 0.9  # only balls that met exchange energy
    assert (np.diff(np.sign(velocities), axis=1) != 0).any(axis=(1, 2, 3)).all()


def test_two_balls_head_on_swap_velocities():
    x = np.array([[[3.0, 5.0], [7.0, 5.0], [5.0, 1.5]]])
    v = np.array([[[0.3, 0.0], [-0.1, 0.0], [0.0, 0.0]]])
    positions, velocities = balls.simulate(x, v, length=6)
    np.testing.assert_allclose(velocities[0, -1], [[-0.1, 0], [0.3, 0], [0, 0]], atol=1e-12)
    # They meet after 4 frames (gap 1.6, closing speed 0.4) at x = 4.2 and 6.6.
    np.testing.assert_allclose(positions[0, 4], [[4.2, 5], [6.6, 5], [5, 1.5]], atol=1e-12)
    np.testing.assert_allclose(positions[0, 5], [[4.1, 5], [6.9, 5], [5, 1.5]], atol=1e-12)


def test_same_seed_same_bytes_and_a_larger_set_begins_with_the_smaller():
    small, again = (balls.make_bouncy_balls(5, 20, seed=1) for _ in range(2))
    assert small.tobytes() == again.tobytes()
    assert small.tobytes() == balls.make_bouncy_balls(70, 20, seed=1)[:5].tobytes()
    assert not np.array_equal(small, balls.make_bouncy_balls(5, 20, seed=2))


@pytest.mark.parametrize("number", [1, 2, 5])
def test_any_number_of_balls_moves(number):
    x = np.stack([np.linspace(1.5, 8.5, number), np.linspace(8.5, 1.5, number)], 1)[None]
    v = np.random.default_rng(number).normal(0, 0.3, x.shape)
    positions, velocities = balls.simulate(x, v, length=40)
    np.testing.assert_allclose((velocities**2).sum((-2, -1)), (v**2).sum(), rtol=1e-10)
    assert positions.min() >= balls.RADIUS and positions.max() <= balls.BOX - balls.RADIUS


def test_images(motion):
    images = balls.make_bouncy_balls(4, 10, seed=0)
    assert images.shape == (4, 10, 1, 32, 32) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() == 1
    disc = 3 * np.pi * balls.RADIUS**2 / balls.BOX**2  # share of the box that three discs cover
    assert abs(images.mean() - disc) < 0.02


def test_a_ball_is_drawn_at_its_place():
    far = [100.0, 100.0]
    image = balls.draw(np.array([[[[2.0, 7.0], far, far]]]))[0, 0, 0]
    rows, columns = np.indices(image.shape)
    assert (rows * image).sum() / image.sum() == pytest.approx(7.0 * 3.2 - 0.5, abs=0.02)  # y is down
    assert (columns * image).sum() / image.sum() == pytest.approx(2.0 * 3.2 - 0.5, abs=0.02)


@pytest.fixture
def root(tmp_path):
    balls.write_bouncy_balls(tmp_path, "train", 6, length=30, seed=0)
    balls.write_bouncy_balls(tmp_path, "test", 4, length=30, seed=0)
    return tmp_path


def test_files_and_reader(root):
    stored = torch.load(root / "bouncy_balls/train.pt", weights_only=True)
    assert stored.shape == (6, 30, 1, 32, 32) and stored.dtype == torch.float32
    train, test = open_dataset("bouncy_balls", "train", root), open_dataset("bouncy_balls", "test", root)
    assert (len(train), len(test), train.length(0), train.image_size, train.channels) == (6, 4, 30, 32, 3)
    video = train.video(2)
    assert video.shape == (30, 3, 32, 32) and video.dtype == np.uint8
    np.testing.assert_array_equal(video, np.floor(stored[2].numpy() * 255 + 0.5).repeat(3, axis=1))
    assert train.video(2, 12).shape == (12, 3, 32, 32)
    assert not any(np.array_equal(train.video(i), test.video(j)) for i in range(6) for j in range(4))
    assert sorted(path.name for path in (root / "bouncy_balls").iterdir()) == ["test.pt", "train.pt"]


def test_too_short_and_no_such_video(root):
    dataset = open_dataset("bouncy_balls", "test", root)
    with pytest.raises(InputError, match=r"test\.pt: video 1 has 30 frames, 31 are needed"):
        dataset.video(1, 31)
    with pytest.raises(InputError, match="no test video 4; there are 4"):
        dataset.video(4)


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(2, 3, 1, 16, 16),
        torch.zeros(3),
        torch.full((2, 3, 1, 32, 32), 255.0),
        torch.full((2, 3, 1, 32, 32), float("nan")),
        torch.zeros(2, 3, 1, 32, 32).int(),
        torch.zeros(0, 3, 1, 32, 32),
    ],
)
def test_wrong_content(root, value):
    torch.save(value, root / "bouncy_balls/test.pt")
    with pytest.raises(InputError, match=r"test\.pt: .*\[N, T, 1, 32, 32\]"):
        open_dataset("bouncy_balls", "test", root)


def test_truncated_and_absent(root):
    path = root / "bouncy_balls/test.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"test\.pt: cut off"):
        open_dataset("bouncy_balls", "test", root)
    path.unlink()
    with pytest.raises(InputError, match=r"test\.pt: no such file"):
        open_dataset("bouncy_balls", "test", root)


def test_the_curtain_hides_the_left_half_of_the_same_videos(root):
    curtain.write_bouncy_balls_curtain(root, "test", 4, length=30, seed=0)
    open_air, behind = (
        open_dataset(name, "test", root).video(3) for name in ("bouncy_balls", "bouncy_balls_curtain")
    )
    assert (behind[..., :16] == 128).all() and (open_air[..., :16] != 128).any()
    np.testing.assert_array_equal(behind[..., 16:], open_air[..., 16:])


@pytest.mark.parametrize("number", [5, 6])
def test_balls_that_jam_end_nowhere(number):
    """Five in a column of the box collide for ever without any time going by."""
    x = np.stack(
        [np.full(number, balls.RADIUS), np.linspace(balls.RADIUS, balls.BOX - balls.RADIUS, number)], 1
    )
    v = np.random.default_rng(0).normal(0, 0.3, (1, *x.shape))
    positions, _ = balls.simulate(x[None], v, length=3)
    assert np.isfinite(positions[:, 0]).all() and np.isnan(positions[:, 1:]).all()
