"""Videos that are decoded once: the same frames, whoever makes the arrays, and new ones for what has changed."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_ffmpeg import X264, encode

from viddiff.data import DatasetSettings, DecodedVideos, decoded, open_dataset, stored
from viddiff.data.video_folder import VideoFolder
from viddiff.errors import InputError
from viddiff.training.config import training_config
from viddiff.training.loading import TrainingWindows


def own(**settings):
    return {"clips": DatasetSettings("video_folder", "clips", **{"image_size": [24, 32]} | settings)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    folder = root / "clips/train"
    folder.mkdir(parents=True)
    encode(folder / "a.mp4", f"{X264} keyint=12:bframes=2")
    encode(folder / "b.avi", "-c:v mpeg4 -bf 2", 21)  # of which no part is decoded alone
    np.save(folder / "c.npy", np.random.default_rng(0).integers(0, 256, (9, 48, 40), dtype=np.uint8))
    return root


@pytest.fixture
def root(clips, tmp_path):
    """The clips, to be changed by a test."""
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/train").mkdir()
    for path in (clips / "clips/train").iterdir():
        os.link(path, tmp_path / "clips/train" / path.name)
    return tmp_path


def opened(root, **settings):
    videos = open_dataset("clips", "train", root, own(**settings))
    return videos, DecodedVideos(videos, root / ".decoded")


def arrays(root):
    return sorted((root / ".decoded").rglob("*.npy"))


@pytest.mark.parametrize("settings", [{}, {"stride": 2, "fit": "pad"}], ids=["plain", "stride and fit"])
def test_windows_are_the_same_bits(root, monkeypatch, settings):
    monkeypatch.setattr(stored, "SHORT", 30)  # the first is read by its index
    monkeypatch.setattr(decoded, "_FRAMES", 7)
    monkeypatch.setattr(decoded, "_BLOCK", 1)
    videos, fast = opened(root, **settings)
    config = training_config(
        {"dataset": "clips", "T": 4, "max_frames": 3, "steps": 9, "batch_size": 4, "image_size": [24, 32]}
    )
    for step in range(3):
        wanted, found = (TrainingWindows(config, dataset).batch(step) for dataset in (videos, fast))
        assert all((value == vars(found)[name]).all() for name, value in vars(wanted).items())
    for index in range(3):
        assert fast.length(index) == videos.length(index)
        np.testing.assert_array_equal(fast.video(index), videos.video(index))
    assert fast.identity() == videos.identity() and fast.files_of(0) == videos.files_of(0)
    assert len(arrays(root)) == 3 and fast.missing() == []
    fast.video(0)[:] = 0  # a caller's own copy
    assert fast.video(0).any()


def test_videos_are_decoded_once(root, monkeypatch):
    _, fast = opened(root)
    wanted = fast.video(0)
    monkeypatch.setattr(VideoFolder, "frames", None)
    monkeypatch.setattr(VideoFolder, "length", None)
    again = opened(root)[1]
    np.testing.assert_array_equal(again.video(0), wanted)
    there = pickle.loads(pickle.dumps(fast))  # as for another process
    assert not len(there._arrays) and len(pickle.dumps(fast)) < 10_000
    np.testing.assert_array_equal(there.video(0), wanted)


def test_what_has_changed_gets_another_array(root):
    _, fast = opened(root)
    before = fast.video(2)
    old = arrays(root)
    (root / "clips/train/c.npy").unlink()
    np.save(root / "clips/train/c.npy", np.full((9, 48, 40), 7, np.uint8))
    now = opened(root)[1]
    assert now.missing() == [0, 1, 2] and (now.video(2) == 7).all()
    smaller = opened(root, image_size=8)[1]
    assert smaller.video(2).shape == (9, 3, 8, 8)
    assert len(arrays(root)) == 3 and set(old) < set(arrays(root))
    np.testing.assert_array_equal(fast.video(2), before)  # of a training that is under way


def test_a_video_that_changes_while_it_is_decoded(root, monkeypatch):
    _, fast = opened(root)
    real = VideoFolder.blocks

    def changing(self, *arguments):
        yield from real(self, *arguments)
        os.utime(self.file(2), ns=(0, 0))

    monkeypatch.setattr(VideoFolder, "blocks", changing)
    with pytest.raises(InputError, match=r"c\.npy: changed while it was decoded"):
        fast.decode(2)
    assert arrays(root) == [] and list(root.rglob(".tmp-*")) == []


def test_a_damaged_video_leaves_nothing(root):
    path = root / "clips/train/a.mp4"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.mp4: "):
        opened(root)[1].video(0)
    assert arrays(root) == [] and list(root.rglob(".tmp-*")) == []


def test_an_array_of_something_else_is_refused(root):
    _, fast = opened(root)
    path = fast.decode(2)
    np.save(path, np.zeros((9, 3, 24, 31), np.uint8))
    with pytest.raises(
        InputError, match=r"uint8 \[9, 3, 24, 31\], must be uint8 \[T, 3, 24, 32\]; remove it"
    ):
        fast.video(2)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="bytes, shape"):
        fast.video(2)


def test_several_that_make_the_same_array_all_succeed(root):
    datasets = [opened(root)[1] for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda dataset: dataset.video(2), datasets))
    assert len(arrays(root)) == 1 and all((video == found[0]).all() for video in found)


def test_arrays_are_copied_to_the_cache(root):
    videos = open_dataset("clips", "train", root, own(), root / "cache")
    DecodedVideos(videos, root / ".decoded").video(2)
    (copy,) = (root / "cache").glob(".decoded-*/clips/train/*.npy")
    assert copy.name == arrays(root)[0].name
