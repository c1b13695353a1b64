"""Array files whose header claims what the file does not hold, for every reader of such files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from viddiff.data.arrays import open_video
from viddiff.errors import InputError
from viddiff.files.npy import is_whole, open_npy, parse_npy
from viddiff.metrics.measurement import read_sample
from viddiff.tree.elbos import STAGE, load_elbo
from viddiff.tree.samples import load_sample

VIDEO = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
READERS = {
    "sample": load_sample,
    "ELBO": load_elbo,
    "measured sample": lambda path: read_sample(path, VIDEO, [], len(VIDEO)),
    "dataset": lambda path: open_video(path, 8),
}


class Payload:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "ran")


def claiming(text: str, version: int = 1, length: int | None = None) -> bytes:
    """A file of 100 values whose header is `text`. length: of the header, if that lies too."""
    header = text.encode() + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + bytes(100)


def header(shape: str, dtype: str = "'|u1'", order: str = "False") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}}}"


HOSTILE = {
    "10**12 elements": claiming(header("(1000000000000, 3, 8, 8)")),
    "10**12 elements, Fortran": claiming(header("(1000000000000, 3, 8, 8)", order="True")),
    "product beyond 64 bits": claiming(header("(4294967296, 4294967296, 4, 1)")),
    "negative": claiming(header("(-10, -10, 1, 1)")),
    "one byte too many": claiming(header("(101,)")),
    "one byte too few": claiming(header("(99,)")),
    "huge dtype": claiming(header("(1, 1, 1, 1)", dtype="'|V2000000000'")),
    "objects": claiming(header("(10,)", dtype="'|O'")),
    "objects in fields": claiming(header("(10,)", dtype="[('a', '|O')]")),
    "header of 4 GB": claiming(header("(100,)"), version=2, length=2**32 - 1),
    "header of 100 kB": claiming(header("(100,)") + " " * 100_000, version=2),
    "nested header": claiming("(" * 5000),
    "recursive header": claiming("-" * 9000 + "1"),
    "call in header": claiming(header("(print('ran'),)")),
    "no dict": claiming("3"),
    "unknown version": b"\x93NUMPY\x09\x00" + bytes(100),
    "magic alone": b"\x93NUMPY",
    "empty": b"",
    "text": b"hello\n" * 50,
    "archive": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_no_reader_takes_it(tmp_path, little_memory, capfd, content):
    path = tmp_path / "0.npy"
    path.write_bytes(content)
    for read in READERS.values():
        with little_memory(), pytest.raises(InputError) as caught:
            read(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not is_whole(path)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_pickled_objects_do_not_run(tmp_path, read):
    ran, path = tmp_path / "ran", tmp_path / "0.npy"
    np.save(path, np.array([Payload(ran)]), allow_pickle=True)
    with pytest.raises(InputError, match="never loaded, because they can run code"):
        read(path)
    assert not ran.exists()
    np.load(path, allow_pickle=True)  # the payload is real
    assert ran.exists()


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "array", [VIDEO.astype(np.float32), VIDEO.astype("S1"), VIDEO[0, 0], np.zeros(3, STAGE)[:0]]
)
def test_another_type_or_shape(tmp_path, read, array):
    path = tmp_path / "0.npy"
    np.save(path, array)
    assert is_whole(path)
    with pytest.raises(InputError, match=r"0\.npy"):
        read(path)


@pytest.mark.parametrize(
    "array", [VIDEO, np.asfortranarray(VIDEO), VIDEO[:, ::2], VIDEO[:0], np.zeros(2, STAGE)]
)
def test_honest_files_are_read_as_numpy_reads_them(tmp_path, array):
    path = tmp_path / "0.npy"
    np.save(path, array)
    assert is_whole(path)
    for back in (open_npy(path), parse_npy(path.read_bytes())):
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


def test_a_file_in_fortran_order_is_a_sample(tmp_path):
    path = tmp_path / "0.npy"
    np.save(path, np.asfortranarray(VIDEO))
    np.testing.assert_array_equal(load_sample(path), VIDEO)
    np.testing.assert_array_equal(read_sample(path, VIDEO, range(4), 4)[0], VIDEO)


def test_a_sample_cut_off_anywhere_is_not_whole(tmp_path):
    path = tmp_path / "0.npy"
    np.save(path, VIDEO)
    content = path.read_bytes()
    for size in (0, 5, 7, 9, 60, 127, 128, 500, len(content) - 1):
        path.write_bytes(content[:size])
        assert not is_whole(path)
        with pytest.raises(InputError):
            load_sample(path)
    path.write_bytes(content + b"x")
    assert not is_whole(path)
    assert not is_whole(tmp_path / "absent.npy")
