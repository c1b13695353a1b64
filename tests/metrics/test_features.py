"""Rows of videos are kept by content: computed once, whatever they are asked for with."""

from __future__ import annotations

import numpy as np
import pytest

from viddiff.metrics import features
from viddiff.metrics.base import Descriptor
from viddiff.metrics.features import FeatureStore
from viddiff.metrics.settings import FvdSettings, MetricSettings

SETTINGS = MetricSettings()


def videos(seed, count, length=4):
    return np.random.default_rng(seed).integers(0, 256, (count, length, 3, 2, 2), dtype=np.uint8)


@pytest.fixture
def computed(monkeypatch):
    """How many videos each call of the descriptor `means` is handed. Its rows are the means of frames that count."""
    calls = []

    def means(videos, obs_length, settings):
        calls.append(len(videos))
        return videos[:, first(obs_length, settings) :].mean((2, 3, 4)).astype(np.float32)

    def first(obs_length, settings):
        return obs_length if settings.fvd.frames == "generated" else 0

    entry = Descriptor(means, lambda settings: {"resize": settings.fvd.resize}, kept=True, first=first)
    monkeypatch.setattr(features, "find_descriptor", lambda name, settings: entry)
    return calls


def test_what_is_there_is_not_computed_again(tmp_path, computed):
    some, more = videos(0, 2), videos(1, 2)
    expected = FeatureStore(None).rows("means", np.concatenate([some, more]), 0, SETTINGS)
    computed.clear()
    store = FeatureStore(tmp_path)
    np.testing.assert_array_equal(store.rows("means", some, 0, SETTINGS), expected[:2])
    mixed = np.concatenate([more[:1], some, more, more])  # in another order, and with repeats
    np.testing.assert_array_equal(store.rows("means", mixed, 0, SETTINGS), expected[[2, 0, 1, 2, 3, 2, 3]])
    assert computed == [2, 2]
    np.testing.assert_array_equal(FeatureStore(tmp_path).rows("means", mixed[:1], 0, SETTINGS), expected[2:3])
    assert computed == [2, 2]
    (folder,) = tmp_path.iterdir()
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.npy"))
    assert len(names) == 4 and all(name.split("/")[0] == name.split("/")[1][:2] for name in names)
    assert folder.name.startswith("means-") and len(folder.name) == len("means-") + 12


def test_another_protocol_has_rows_of_its_own(tmp_path, computed):
    store = FeatureStore(tmp_path)
    for resize in ("original", "half-pixel"):
        store.rows("means", videos(0, 1), 0, MetricSettings(fvd=FvdSettings(resize=resize)))
    store.rows("means", videos(0, 1).reshape(1, 2, 3, 4, 2), 0, SETTINGS)  # the same bytes
    assert computed == [1, 1, 1] and len(list(tmp_path.iterdir())) == 2


def test_frames_that_do_not_count_change_nothing(tmp_path, computed):
    store, some = FeatureStore(tmp_path), videos(0, 1)
    other = some.copy()
    other[:, :2] += 1
    generated = MetricSettings(fvd=FvdSettings(frames="generated"))
    for obs_length, choice, calls in ((2, generated, 1), (1, generated, 3), (2, SETTINGS, 5)):
        for video in (some, other):
            found = store.rows("means", video, obs_length, choice)
            expected = FeatureStore(None).rows("means", video, obs_length, choice)
            np.testing.assert_array_equal(found, expected)
            computed.pop()
        assert len(computed) == calls


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "shape", "length", "nan", "objects"])
def test_a_damaged_file_is_made_again(tmp_path, computed, damage):
    store, some = FeatureStore(tmp_path), videos(0, 3)
    whole = store.rows("means", some, 0, SETTINGS)
    path = sorted(tmp_path.rglob("*.npy"))[0]
    content = path.read_bytes()
    if damage in ("cut", "empty", "text"):
        path.write_bytes({"cut": content[:-3], "empty": b"", "text": b"no array"}[damage])
    else:
        wrong = {"shape": np.zeros((2, 2), np.float32), "length": np.zeros(3, np.float32)}
        wrong |= {"nan": np.full(4, np.nan, np.float32), "objects": np.array([{}], object)}
        np.save(path, wrong[damage], allow_pickle=True)
    np.testing.assert_array_equal(store.rows("means", some, 0, SETTINGS), whole)
    assert computed in ([3, 1], [3, 3]) and path.read_bytes() == content


def test_a_row_of_another_length_beside_missing_ones(tmp_path, computed):
    store, some = FeatureStore(tmp_path), videos(0, 3)
    whole = store.rows("means", some, 0, SETTINGS)
    wrong, missing, _ = sorted(tmp_path.rglob("*.npy"))
    np.save(wrong, np.zeros(3, np.float32))
    missing.unlink()
    np.testing.assert_array_equal(store.rows("means", some, 0, SETTINGS), whole)
    assert len(np.load(wrong)) == 4


def test_rows_that_are_not_finite_are_not_kept(tmp_path, monkeypatch):
    rows = np.array([[1.0, 2.0], [np.nan, 2.0]], np.float32)
    entry = Descriptor(lambda *given: rows, lambda settings: {}, kept=True)
    monkeypatch.setattr(features, "find_descriptor", lambda name, settings: entry)
    np.testing.assert_array_equal(FeatureStore(tmp_path).rows("x", videos(0, 2), 0, SETTINGS), rows)
    assert len(list(tmp_path.rglob("*.npy"))) == 1


def test_what_is_quick_is_not_kept(tmp_path, monkeypatch):
    entry = Descriptor(lambda videos, *given: videos.mean((1, 2, 3, 4))[:, None], lambda settings: {})
    monkeypatch.setattr(features, "find_descriptor", lambda name, settings: entry)
    assert FeatureStore(tmp_path).rows("x", videos(0, 2), 0, SETTINGS).shape == (2, 1)
    assert not list(tmp_path.iterdir())
