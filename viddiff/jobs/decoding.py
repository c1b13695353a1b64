"""The arrays of a dataset's videos, made by several processes before training reads them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from torch.utils.data import DataLoader, Dataset

from viddiff.data.decoded import DecodedVideos
from viddiff.errors import InputError
from viddiff.training.loading import ignore_signals, killed_worker
from viddiff.tree.datasets import DatasetRecord

logger = logging.getLogger(__name__)


def decode_videos(
    videos: DecodedVideos, record: DatasetRecord, processes: int, progress: Callable[[int, int], None]
) -> int:
    """Make the arrays that are not there, and say before how much disk they take; returns how many were made.

    record: of the last check, which knows how long videos are; progress: is told of arrays made, and of all. What was
    made stays if the job ends early. Raises `InputError` if the disk is too small, or a video cannot be decoded.
    """
    missing = videos.missing()
    _check_disk(videos, missing, record)
    loader = DataLoader(
        _Arrays(videos),
        batch_size=None,
        sampler=missing,
        num_workers=min(processes, len(missing)) if processes > 1 else 0,
        worker_init_fn=ignore_signals,
    )
    try:
        for done, problem in enumerate(loader, 1):
            if problem:
                raise InputError(problem)
            progress(done, len(missing))
    except RuntimeError as error:
        if killed := killed_worker(error):
            raise InputError(killed) from None
        raise
    return len(missing)


class _Arrays(Dataset):
    """Item i is what is wrong with video i, once its array was made: "" if nothing is."""

    def __init__(self, videos: DecodedVideos):
        self.videos = videos

    def __getitem__(self, index: int) -> str:
        try:
            self.videos.decode(index)
        except (InputError, OSError) as error:
            return str(error)
        return ""


def _check_disk(videos: DecodedVideos, missing: list[int], record: DatasetRecord) -> None:
    known = [record.by_file.get(str(videos.file(index))) for index in missing]
    height, width = videos.frame_size
    needed = videos.channels * height * width * sum(video.frames for video in known if video)
    free = shutil.disk_usage(_there(videos.folder)).free
    told = f"{len(missing)} of {len(videos)} {videos.split} videos of {videos.name} are to be decoded: arrays of "
    told += f"{needed / 1e9:.3g} GB in {videos.folder}, which has {free / 1e9:.3g} GB free"
    if needed > free:
        raise InputError(f"{told}; make room, or train without decode_once")
    logger.info("%s", told)


def _there(folder: Path) -> Path:
    """The folder, or the one above in which it will be."""
    while not folder.exists():
        folder = folder.absolute().parent
    return folder
