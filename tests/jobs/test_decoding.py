from __future__ import annotations

import logging
import shutil
from collections import namedtuple

import numpy as np
import pytest

from viddiff.data import DatasetSettings, DecodedVideos, open_dataset
from viddiff.errors import InputError
from viddiff.jobs.dataset_check import check_with_record
from viddiff.jobs.decoding import decode_videos
from viddiff.tree.datasets import read_record, record_file, settings_of

SETTINGS = {"own": DatasetSettings("video_folder", "own", image_size=4)}


@pytest.fixture
def videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, frames in (("a", 5), ("b", 7), ("c", 4)):
        (tmp_path / "data/own/train").mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / f"data/own/train/{name}.npy", np.full((frames, 8, 8, 3), frames, np.uint8))
    return DecodedVideos(open_dataset("own", "train", "data", SETTINGS), tmp_path / "data/.decoded")


def record():
    check_with_record("own", "train", "data", SETTINGS)
    return read_record(record_file("own", "train"), settings_of("own", "data", SETTINGS))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_missing_is_made_and_its_disk_told_before(videos, caplog, processes):
    videos.decode(1)
    told = []
    with caplog.at_level(logging.INFO):
        assert decode_videos(videos, record(), processes, lambda *counts: told.append(counts)) == 2
    assert "2 of 3 train videos of own are to be decoded: arrays of 4.32e-07 GB in " in caplog.text
    assert told == [(1, 2), (2, 2)] and videos.missing() == []
    assert [int(videos.video(index)[0, 0, 0, 0]) for index in range(3)] == [5, 7, 4]
    assert decode_videos(videos, record(), processes, lambda *counts: None) == 0


def test_a_disk_that_is_too_small_is_told_before(videos, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 0, 700))
    with pytest.raises(
        InputError, match=r"arrays of 7.68e-07 GB in .*/.decoded, which has 7e-07 GB free; make room"
    ):
        decode_videos(videos, record(), 1, lambda *counts: None)
    assert videos.missing() == [0, 1, 2]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_broken_video_is_named_and_the_others_stay(videos, processes):
    found = record()
    (videos.file(2)).write_bytes(b"no array")
    with pytest.raises(InputError, match=r"own/train/c\.npy: ") as error:
        decode_videos(videos, found, processes, lambda *counts: None)
    assert "\n" not in str(error.value) and videos.missing() == [2]
