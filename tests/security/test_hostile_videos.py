"""Video files whose headers claim frames of a size, or in a number, that would take all memory."""

from __future__ import annotations

import resource
import struct
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
from decoding import decode

from viddiff.errors import InputError

SIZE = 16
FRAMES = np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), dtype=np.uint8)


def written(path: Path, **options) -> bytearray:
    imageio.mimwrite(path, FRAMES, **options)
    assert len(decode(path, SIZE)) == 4
    return bytearray(path.read_bytes())


def wide_gif(folder: Path, side: int) -> Path:
    path = folder / "wide.gif"
    data = written(path)
    data[6:10] = struct.pack("<HH", side, side)
    path.write_bytes(data)
    return path


def raw_avi(folder: Path) -> Path:
    path = folder / "raw.avi"
    data = written(path, codec="rawvideo", pixelformat="bgr24")
    width = data.index(b"strf") + 12
    data[width : width + 8] = struct.pack("<ii", 65535, -65535)
    path.write_bytes(data)
    return path


def jpeg_avi(folder: Path) -> Path:
    """Each frame is a JPEG that says it is 65000 x 65000."""
    path = folder / "jpeg.avi"
    data, start, count = written(path, codec="mjpeg"), 0, 0
    while (start := data.find(b"\xff\xc0\x00\x11\x08", start + 1)) >= 0:
        data[start + 5 : start + 9] = struct.pack(">HH", 65000, 65000)
        count += 1
    assert count == 4
    path.write_bytes(data)
    return path


def long_mp4(folder: Path) -> Path:
    """2**25 frames of a byte each, in one chunk: so say the tables, of a few bytes."""
    path = folder / "long.mp4"
    data, count = written(path), 2**25
    durations, sizes, chunks = data.index(b"stts"), data.index(b"stsz"), data.index(b"stsc")
    data[durations + 12 : durations + 16] = struct.pack(">I", count)
    data[sizes + 8 : sizes + 16] = struct.pack(">II", 1, count)
    data[chunks + 12 : chunks + 20] = struct.pack(">II", 1, count)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: wide_gif(folder, 65535),
        lambda folder: wide_gif(folder, 8000),
        raw_avi,
        jpeg_avi,
        long_mp4,
    ],
    ids=["gif of 4 gigapixels", "gif of 64 megapixels", "raw avi", "jpeg avi", "mp4 of 2**25 frames"],
)
def test_what_a_header_claims_is_not_believed(tmp_path, make):
    path = make(tmp_path)
    assert path.stat().st_size < 100_000
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as caught:
        decode(path, SIZE)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):  # a child begins with its parent's size
        assert resource.getrusage(who).ru_maxrss < own + 300_000  # kB


def test_a_name_is_no_option_and_no_other_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-version.mp4", "concat:a.mp4", "%d.mp4", "a;touch ran.mp4", "$(touch ran).mp4"):
        imageio.mimwrite(tmp_path / "a.mp4", FRAMES)
        (tmp_path / "a.mp4").rename(name)
        assert len(decode(Path(name), SIZE)) == 4
    assert not (tmp_path / "ran").exists()
