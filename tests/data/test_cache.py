from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
from collections import namedtuple

import numpy as np
import pytest

from viddiff.data import cache, open_dataset
from viddiff.data.cache import cached


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "data/train/0.npy"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    return path


def get(source):
    root = source.parent.parent
    return cached(source, root, root.parent / "cache")


def test_a_file_is_copied_once(source):
    copy = get(source)
    assert copy != source and copy.read_bytes() == b"one"
    before = copy.stat()
    assert get(source) == copy
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_changed_source_is_copied_anew(source):
    get(source)
    source.write_bytes(b"three")
    assert get(source).read_bytes() == b"three"
    stat = source.stat()
    source.write_bytes(b"seven")  # the same size
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert get(source).read_bytes() == b"seven"


def test_folders_of_the_same_shape_do_not_share_copies(source, tmp_path):
    other = tmp_path / "more/data/train/0.npy"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"two")
    stat = source.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cached(source, tmp_path / "data", tmp_path / "cache").read_bytes() == b"one"
    assert cached(other, tmp_path / "more/data", tmp_path / "cache").read_bytes() == b"two"


def test_an_unusable_cache_falls_back_to_the_source_with_one_warning(source, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert get(source) == source and get(source) == source
    assert len(caplog.records) == 1 and str(tmp_path / "cache") in caplog.text


def test_a_full_cache_falls_back_to_the_source(source, monkeypatch, caplog):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage(10, 9, 1))
    assert get(source) == source
    assert "is full: 1 bytes free, 3 needed" in caplog.text


def test_a_disk_that_fills_up_while_copying(source, monkeypatch, caplog):
    def fail(one, two):
        with open(two, "wb") as file:
            file.write(b"o")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.shutil, "copyfile", fail)
    assert get(source) == source
    assert "No space left on device" in caplog.text
    cache_root = source.parent.parent.parent / "cache"
    assert [path for path in cache_root.rglob("*") if path.is_file()] == []


def test_a_source_that_changes_while_it_is_copied_is_not_trusted(source, monkeypatch):
    copyfile = shutil.copyfile

    def copy_then_change(one, two):
        copyfile(one, two)
        source.write_bytes(b"later")

    monkeypatch.setattr(cache.shutil, "copyfile", copy_then_change)
    assert get(source) == source
    monkeypatch.undo()
    assert get(source).read_bytes() == b"later"


def test_an_absent_source_is_left_to_the_reader(source):
    source.unlink()
    assert get(source) == source


def _read_often(root, cache_root, started, results):
    started.wait()
    results.put(
        all(
            len(set(cached(root / f"{i}.bin", root, cache_root).read_bytes())) == 1
            and cached(root / f"{i}.bin", root, cache_root).stat().st_size == 2**20
            for i in range(8)
        )
    )


def test_concurrent_jobs_never_see_part_of_a_file(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    for i in range(8):
        (root / f"{i}.bin").write_bytes(bytes([i]) * 2**20)
    context = multiprocessing.get_context("fork")
    started, results = context.Event(), context.Queue()
    jobs = [
        context.Process(target=_read_often, args=(root, tmp_path / "cache", started, results))
        for _ in range(6)
    ]
    for job in jobs:
        job.start()
    started.set()
    assert all(results.get(timeout=30) for _ in jobs)
    for job in jobs:
        job.join()
    copies = sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert copies == [f"{i}.bin" for i in range(8)]


def test_datasets_read_from_the_cache(tmp_path):
    folder = tmp_path / "root/minerl/test"
    folder.mkdir(parents=True)
    array = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    np.save(folder / "0.npy", array)
    dataset = open_dataset("minerl", "test", tmp_path / "root", cache=tmp_path / "cache")
    assert len(dataset) == 1 and dataset.length(0) == 4
    assert list(tmp_path.glob("cache/**/*.npy")) == []  # a length costs no copy
    np.testing.assert_array_equal(dataset.video(0), array.transpose(0, 3, 1, 2))
    assert len(list(tmp_path.glob("cache/minerl-*/test/0.npy"))) == 1
