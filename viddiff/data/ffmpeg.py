"""Frames of compressed videos, all or a part, decoded by ffmpeg in a process of its own.

A part is found by an index: the time stamps of all packets, which ffmpeg lists without decoding them. A frame has the
time stamp of its packet, so frame n in the order of display is that of the n-th smallest. To get frames a to b - 1,
ffmpeg starts at the last key frame that is not after frame a, decodes on, and passes the frames of these time stamps
alone. Where that could be wrong the index says so (`exact`), and the video must be decoded from its beginning.
"""

from __future__ import annotations

import subprocess
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

import imageio_ffmpeg
import numpy as np
from jaxtyping import Int64, UInt8

from viddiff.data.limits import MAX_BLOCK, MAX_PIXELS, check_frame, most_frames, too_long
from viddiff.errors import InputError

Frame = UInt8[np.ndarray, "H W C"]
T = TypeVar("T")

# No other files or hosts are opened, nor formats that could name some.
_SAFE = "-nostdin -v error -xerror -protocol_whitelist file -format_whitelist mov,avi,matroska"
_LIMITS = f"-max_alloc {MAX_BLOCK} -max_pixels {MAX_PIXELS}"
_STREAM = "-map 0:v:0"
_PICTURES = "-fps_mode passthrough -f image2pipe -c:v ppm -pix_fmt rgb24 -"
_PACKETS = "-c copy -copyinkf -avoid_negative_ts disabled -f framecrc -"

# Each of their packets is one frame that is shown.
_ONE_FRAME = "av1 ffv1 ffvhuff h264 hevc huffyuv mjpeg mpeg2video mpeg4 png prores rawvideo vp9"
_KEY, _CORRUPT, _DISCARD = 1, 2, 4  # AV_PKT_FLAG_…
_CUT = "File ended prematurely"
_UNKNOWN = -(2**63)  # AV_NOPTS_VALUE


@dataclass(frozen=True)
class Index:
    """Where the frames of a file lie.

    times: of the frames in the order of display, in units of `unit` seconds; keys: those of key frames. exact: whether
    the file holds as many frames as times, and decoding may start at a key frame.
    """

    times: Int64[np.ndarray, " T"]
    keys: tuple[int, ...]
    unit: Fraction
    exact: bool

    def __len__(self) -> int:
        return len(self.times)

    @property
    def seconds(self) -> np.ndarray:
        """The frames' time stamps, from 0."""
        return (self.times - self.times[0]) * float(self.unit)


@dataclass(frozen=True)
class _Packet:
    order: int  # dts
    time: int  # pts
    size: int  # bytes
    flags: int


def read_index(path: Path, size: tuple[int, int]) -> Index:
    """List the packets of a video's first stream. Raises `InputError` if they are no video, or too many.

    size: the frames' height and width when they are used.
    """
    facts: dict[str, str] = {}
    packets: list[_Packet] = []
    with _ffmpeg(path, "-copyts", _PACKETS) as output:
        for line in output:
            if line.startswith(b"#"):
                name, _, value = line[1:].decode("ascii", "replace").partition(" 0: ")
                facts[name] = value.strip()
                continue
            packets.append(_packet(line))
            if len(packets) > most_frames(size):
                raise too_long(path, size)
    if not packets:
        raise InputError(f"{path}: holds no frames")
    return _index(packets, Fraction(facts["tb"]), facts.get("codec_id", "") in _ONE_FRAME.split())


def _packet(line: bytes) -> _Packet:
    """A line of ffmpeg's framecrc: `stream, dts, pts, duration, size, checksum[, F=flags][, S=…]`."""
    fields = line.split(b",")
    flags = next(
        (int(field.strip()[2:], 16) for field in fields[6:] if field.strip().startswith(b"F=")), _KEY
    )
    return _Packet(int(fields[1]), int(fields[2]), int(fields[4]), flags)


def _index(packets: list[_Packet], unit: Fraction, one_frame: bool) -> Index:
    shown = [packet for packet in packets if not packet.flags & _DISCARD]
    stamped = all(packet.time != _UNKNOWN for packet in packets)
    # Without time stamps of display, those of decoding still tell how many frames there are, and when.
    times = sorted(packet.time if stamped else packet.order for packet in shown)
    first = packets[0]
    exact = (
        one_frame
        and stamped
        and bool(shown)
        and len(set(times)) == len(times)
        and bool(first.flags & _KEY)
        and times[0] >= first.time  # earlier ones would need frames that were cut off
        and all(packet.size > 0 and not packet.flags & _CORRUPT for packet in packets)
    )
    keys = sorted(packet.time for packet in packets if packet.flags & _KEY) if exact else []
    return Index(np.array(times, np.int64), tuple(keys), unit, exact)


def decode_all(path: Path, size: tuple[int, int]) -> Iterator[Frame]:
    """All frames in the order of display. Raises `InputError` if any part of the file is damaged."""
    with _ffmpeg(path, "", _PICTURES) as output:
        yield from _pictures(path, output, size)


def decode_part(
    path: Path, index: Index, wanted: Sequence[int], size: tuple[int, int], use: Callable[[Frame], T]
) -> list[T]:
    """What `use` makes of some frames of `decode_all`, for less work if the index is exact. wanted: rising numbers.

    Raises `InputError` if they are not there or damaged.
    """
    start, stop = wanted[0], wanted[-1] + 1
    among = wanted if isinstance(wanted, range) else frozenset(wanted)

    def used(frames: Iterable[Frame]) -> list[T]:
        return [use(frame) for number, frame in enumerate(frames, start) if number in among]

    if index.exact:
        try:
            part = used(_decode_part(path, index, start, stop, size))
        except InputError:
            part = []  # the whole file tells
        if len(part) == len(wanted):
            return part
    part = used(islice(decode_all(path, size), start, stop))
    if len(part) < len(wanted):
        raise InputError(f"{path}: ends before frame {wanted[len(part)]}, its index lists {len(index)}")
    return part


def _decode_part(path: Path, index: Index, start: int, stop: int, size: tuple[int, int]) -> Iterator[Frame]:
    first, last = int(index.times[start]), int(index.times[stop - 1])
    seek = ""
    if (key := bisect_right(index.keys, first) - 1) > 0:
        microseconds = -(-index.keys[key] * index.unit * 1_000_000 // 1)
        seek = f"-ss {microseconds}us -seek_timestamp 1 -noaccurate_seek"
    wanted = f"-vf select=between(pts\\,{first}\\,{last}) -frames:v {stop - start}"
    with _ffmpeg(path, f"-copyts {seek}", f"{wanted} {_PICTURES}") as output:
        yield from islice(_pictures(path, output, size), stop - start)


@contextmanager
def _ffmpeg(path: Path, before: str, after: str) -> Iterator[IO[bytes]]:
    """The output of ffmpeg for a file. At the end of the block, raises `InputError` if it failed.

    before, after: options of the input and of the output.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *f"{_SAFE} {_LIMITS} {before}".split(), "-i", f"file:{path}"]
    command += f"{_STREAM} {after}".split()
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages)
        assert process.stdout is not None
        try:
            yield process.stdout
            process.wait()
        finally:
            process.stdout.close()
            process.kill()
            process.wait()
        messages.seek(0)
        lines = messages.read(10_000).decode(errors="replace").splitlines()
        cut = [line for line in lines if _CUT in line]  # told, but no failure for ffmpeg
        if process.returncode != 0 or cut:
            line = (cut or lines or ["ffmpeg failed"])[0]
            raise InputError(f"{path}: not a whole video: {line.split('] ', 1)[-1]}")


def _pictures(path: Path, stream: IO[bytes], size: tuple[int, int]) -> Iterator[Frame]:
    """The pictures of a stream of PPM images."""
    while header := stream.readline():
        width, height = _ppm_size(path, header, stream)
        check_frame(path, height, width, size)
        data = stream.read(3 * width * height)
        if len(data) < 3 * width * height:
            return
        yield np.frombuffer(data, np.uint8).reshape(height, width, 3)


def _ppm_size(path: Path, header: bytes, stream: IO[bytes]) -> tuple[int, int]:
    """Width and height from the three header lines of a PPM image."""
    try:
        width, height = map(int, stream.readline().split())
        if header.strip() == b"P6" and stream.readline().strip() == b"255":
            return width, height
    except ValueError:
        pass
    raise InputError(f"{path}: cannot be decoded")
