"""Files appear whole or not at all, whoever writes them."""

import errno
import os

import numpy as np
import pytest

from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.errors import OutputError
from viddiff.files.write import atomic_path, create_text, save_npy, write_json, write_text
from viddiff.render.gif import write_gif

NOISE = np.random.default_rng(0).integers(256, size=(20, 3, 32, 32), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.txt", lambda path: write_text(path, "a" * 20_000)),
        ("a.npy", lambda path: save_npy(path, NOISE)),
        ("a.gif", lambda path: write_gif(path, NOISE, 4)),
        ("bouncy_balls/test.pt", lambda path: write_bouncy_balls(path.parents[1], "test", 2, 10)),
    ],
)
def test_a_full_disk_keeps_the_old_file(tmp_path, full_disk, name, write):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"old")
    with full_disk(), pytest.raises(OutputError) as error:
        write(path)
    assert str(error.value).startswith(f"cannot write {path}: ") and "\n" not in str(error.value)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
    write(path)
    assert path.stat().st_size > 10_000


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="ours"), atomic_path(tmp_path / "a"):
        raise RuntimeError("ours")
    assert not list(tmp_path.iterdir())


def test_a_file_system_that_cannot_flush_will_do(tmp_path, monkeypatch):
    def fsync(file):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", fsync)
    error = errno.EINVAL
    write_text(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text() == "whole"
    error = errno.EIO
    with pytest.raises(OutputError, match="Input/output error"):
        write_text(tmp_path / "a", "lost")
    assert (tmp_path / "a").read_text() == "whole"


def test_a_file_is_created_once(tmp_path):
    create_text(tmp_path / "new" / "a", "first")
    with pytest.raises(FileExistsError):
        create_text(tmp_path / "new" / "a", "second")
    assert [path.read_text() for path in (tmp_path / "new").iterdir()] == ["first"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_finite_numbers_alone(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": [value]})
    assert not list(tmp_path.iterdir())
