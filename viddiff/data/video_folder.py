"""Any folder of videos: `{train,test}/` with compressed files, arrays, archives or folders of pictures.

Which of them are read, and in what order, is told by `viddiff.data.listing`. Frames are brought to the configured size
(`viddiff.data.fit`); by default their short side is resized (bilinear, antialiased) and the centre cropped. Arrays are
uint8 `[T, H, W, C]`, `[T, C, H, W]` or `[T, H, W]`. Every stored frame counts once, whatever its time stamp, unless
`stride` or `frame_rate` says which do.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from viddiff.data.arrays import VideoFiles
from viddiff.data.base import Counted, Source, ask, dataset
from viddiff.data.fit import fit
from viddiff.data.limits import OPEN_FILES, most_frames, too_long
from viddiff.data.listing import list_videos
from viddiff.data.recent import Recent
from viddiff.data.stored import Stored, picture_files, stored_video
from viddiff.dataset_settings import Intake
from viddiff.errors import InputError
from viddiff.video import Video

KEPT_BYTES = 2**29  # of decoded videos kept in memory by each process, so that crops need no new decoding

log = logging.getLogger(__name__)


@dataset("video_folder", image_size=64)
class VideoFolder(VideoFiles):
    """Videos of any size and length, brought to `image_size`."""

    options = frozenset(option.name for option in fields(Intake))

    def __init__(self, source: Source):
        super().__init__(source)
        self._without_parts: set[int] = set()
        for line in self.ignored(source):
            log.info("%s", line)
        self._decoded: OrderedDict[int, Video] = OrderedDict()
        self._opened: Recent[tuple[Stored, Sequence[int]]] = Recent(OPEN_FILES)

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: not the videos in memory."""
        return vars(self) | {"_decoded": OrderedDict()}

    @classmethod
    def find(cls, source: Source) -> tuple[list[Path], list[str]]:
        listing = list_videos(source.path / source.split)
        return listing.videos, listing.problems

    @classmethod
    def ignored(cls, source: Source) -> list[str]:
        folder = source.path / source.split
        return list_videos(folder).ignored if folder.is_dir() else []

    @classmethod
    def examine(cls, source: Source, counted: Counted = ask) -> tuple[list[tuple[Path, int]], list[str]]:
        paths, problems = cls.find(source)
        lengths = []
        for path in paths:
            try:
                stored = stored_video(path, source.frame_size)
                lengths.append((path, len(used_frames(stored, counted(path, stored.examine), source.intake))))
            except InputError as error:
                problems.append(str(error))
        return lengths, problems

    def files_of(self, index: int) -> list[Path]:
        path = self.file(index)
        return picture_files(path) if path.is_dir() else [path]

    def length(self, index: int) -> int:
        if index not in self._lengths:
            _, used = self._open(index)
            self._lengths[index] = len(self._whole(index) if index in self._without_parts else used)
        return self._lengths[index]

    def frames(self, index: int, start: int, stop: int) -> Video:
        stored, used = self._open(index)
        if index in self._without_parts:
            return self._whole(index)[start:stop].copy()
        return read(stored, used[start:stop], self.source.intake)

    def gather(self, index: int, numbers: Int64[np.ndarray, " n"]) -> Video:
        stored, used = self._open(index)
        if index in self._without_parts:
            return self._whole(index)[numbers]
        return read(stored, [used[number] for number in numbers.tolist()], self.source.intake)

    def _open(self, index: int) -> tuple[Stored, Sequence[int]]:
        """A video and, if a part of it can be read alone, which of its frames are used."""
        return self._opened.get(index, self._look)

    def _look(self, index: int) -> tuple[Stored, Sequence[int]]:
        stored = stored_video(self.paths[index], self.frame_size, self.local)
        if index in self._without_parts or not stored.parts:
            self._without_parts.add(index)
            return stored, ()
        return stored, used_frames(stored, stored.count(), self.source.intake)

    def _whole(self, index: int) -> Video:
        """All frames of a video that are used, from memory if it was used lately."""
        if index in self._decoded:
            self._decoded.move_to_end(index)
            return self._decoded[index]
        stored = stored_video(self.paths[index], self.frame_size, self.local)
        video = decode_stored(stored, self.source.intake)
        self._decoded[index] = video
        while len(self._decoded) > 1 and sum(kept.nbytes for kept in self._decoded.values()) > KEPT_BYTES:
            self._decoded.popitem(last=False)
        return video


def used_frames(stored: Stored, count: int, intake: Intake) -> Sequence[int]:
    """The numbers of the frames that are used, of `count`; with a higher frame rate than the video's, some twice.

    With `frame_rate`, used frame k is the one whose time stamp is nearest to k / frame_rate after the first (the
    earlier of two), until the last.
    """
    if intake.frame_rate is None:
        return range(0, count, intake.stride)
    seconds = stored.seconds()
    if len(seconds) != count:
        raise InputError(
            f"{stored.path}: {count} frames with {len(seconds)} time stamps; give stride instead"
        )
    number = int(seconds[-1] * intake.frame_rate + 1e-6) + 1
    if number > most_frames(stored.size):
        raise too_long(stored.path, stored.size)
    middles = (seconds[1:] + seconds[:-1]) / 2 + 1e-9
    return np.searchsorted(middles, np.arange(number) / intake.frame_rate).tolist()


def read(stored: Stored, used: Sequence[int], intake: Intake) -> Video:
    """Frames of a video by their rising numbers, of which some may come twice."""
    once = used if isinstance(used, range) else sorted(set(used))
    frames = np.concatenate(stored.some(once, lambda part: fit(part, stored.size, intake)))
    return frames if len(once) == len(used) else frames[np.searchsorted(once, used)]


def decode_stored(stored: Stored, intake: Intake) -> Video:
    """All used frames of a video. Raises `InputError` if any part of it is damaged."""
    frames = []
    for frame in stored.all():
        frames.append(fit(frame[None], stored.size, intake))
        if len(frames) > most_frames(stored.size):
            raise too_long(stored.path, stored.size)
    if not frames:
        raise InputError(f"{stored.path}: holds no frames")
    used = used_frames(stored, len(frames), intake)
    return np.concatenate(frames if used == range(len(frames)) else [frames[number] for number in used])
