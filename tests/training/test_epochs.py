"""Videos without replacement, and where a window's frames come from."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import SETTINGS

from viddiff.data.base import VideoDataset
from viddiff.training.config import training_config
from viddiff.training.epochs import Epochs
from viddiff.training.loading import TrainingWindows
from viddiff.video import looked_up, to_model


def config(**changes):
    return training_config(SETTINGS | {"without_replacement": True} | changes)


@given(videos=st.integers(1, 9), seed=st.integers(0, 3), stream=st.integers(0, 1))
def test_each_epoch_has_each_video_once_in_another_order(videos, seed, stream):
    epochs = Epochs(videos, seed, stream)
    drawn = [epochs.video(place) for place in range(6 * videos)]
    orders = [tuple(drawn[first : first + videos]) for first in range(0, len(drawn), videos)]
    assert all(sorted(order) == list(range(videos)) for order in orders)
    assert videos < 5 or len(set(orders)) > 1
    assert Epochs(videos, seed, stream).video(5 * videos) == drawn[5 * videos]  # without those before


def test_orders_differ_by_seed_and_stream():
    orders = {
        tuple(Epochs(20, seed, stream).video(place) for place in range(20))
        for seed in (1, 2)
        for stream in (0, 1)
    }
    assert len(orders) == 4


@pytest.fixture
def read(data, monkeypatch):
    """Which videos are read."""
    videos: list[int] = []
    gather = VideoDataset.gather

    def noting(self, index, numbers):
        videos.append(index)
        return gather(self, index, numbers)

    monkeypatch.setattr(VideoDataset, "gather", noting)
    return videos


def test_a_training_takes_each_video_once_whatever_fits_a_batch(data, read):
    windows = TrainingWindows(config(batch_size=4, pad_with_random_frames=False), data)  # of three videos
    for step in range(3):
        windows.batch(step)
    assert [Counter(read[first : first + 3]) for first in range(0, 12, 3)] == [Counter(range(3))] * 4


def test_padding_has_an_order_of_its_own(data, read):
    windows = TrainingWindows(
        config(batch_size=1, mask_distribution="linspace-no-obs-0-0-1"), data
    )  # one frame, two that pad
    for step in range(6):
        windows.batch(step)
    padding, marked = read[::2], read[1::2]
    assert all(sorted(part) == [0, 1, 2] for part in (marked[:3], marked[3:], padding[:3], padding[3:]))
    assert marked != padding


def test_a_step_of_any_epoch_depends_on_seed_and_step_alone(data):
    whole, other = TrainingWindows(config(), data), TrainingWindows(config(), data)
    batches = [whole.batch(step) for step in range(5)]
    again = other.batch(4)
    assert all(torch.equal(value, vars(again)[name]) for name, value in vars(batches[4]).items())
    drawn = TrainingWindows(config(without_replacement=False), data).batch(0)
    assert torch.equal(drawn.frame_index, batches[0].frame_index)  # masks are those of any training


def test_bytes_become_the_same_values_on_any_device():
    values = torch.arange(256, dtype=torch.uint8).view(2, 128)
    assert torch.equal(looked_up(values), to_model(values))
