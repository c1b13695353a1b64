"""The check of a dataset, which reads each file once: what it found before is in the record of the dataset's split."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from viddiff.data.base import find_source
from viddiff.data.check import DatasetReport, examine
from viddiff.dataset_settings import DatasetSettings
from viddiff.errors import InputError, one_line
from viddiff.tree.datasets import (
    DatasetRecord,
    Video,
    folder_states,
    read_record,
    record_file,
    settings_of,
    states_of,
    write_record,
)

SAVE_SECONDS = 20.0  # between records while the check runs: a killed one goes on from there


def check_with_record(
    name: str,
    split: str,
    root: str | os.PathLike[str],
    datasets: Mapping[str, DatasetSettings],
    needed: int | None = None,
) -> DatasetReport:
    """What is wrong with a split, as `viddiff.data.check_dataset` says it; leaves a record.

    needed: the frames that each video must have; `None`: those that the dataset is known for. Raises `InputError` if
    there is no such dataset or split, or the record cannot be written.
    """
    entry, source = find_source(name, split, root, datasets)
    file, settings = record_file(name, split), settings_of(name, os.fspath(root), datasets)
    before = read_record(file, settings)
    # The folders come first: what is added while the check runs makes its record outdated.
    states = folder_states(source.path, split)
    found: dict[str, Video] = {}
    saved = time.monotonic()

    def counted(path: Path, count: Callable[[], int]) -> int:
        nonlocal saved
        states.update(states_of([path]))
        known = before.known(path)
        if known and known.problem:  # may have been the disk's
            known = None
        video = found[str(path)] = known or _count(path, count)
        if not known and time.monotonic() > saved + SAVE_SECONDS:
            kept = [*(before.by_file | found).values()]
            write_record(file, DatasetRecord(settings, {**before.states, **states}, kept))
            saved = time.monotonic()
        if video.problem:
            raise InputError(video.problem)
        return video.stored

    examined = examine(entry, source, counted)
    if source.path.is_dir():
        used = {str(path): frames for path, frames in examined.lengths}
        videos = [replace(video, frames=used.get(video.file, video.frames)) for video in found.values()] or [
            Video(str(path), frames, frames) for path, frames in examined.lengths
        ]
        known = {video.problem for video in videos}
        problems = [line for line in examined.problems if line not in known]
        write_record(file, DatasetRecord(settings, states_of(used) | states, videos, problems, whole=True))
    return examined.report(needed)


def _count(path: Path, count: Callable[[], int]) -> Video:
    try:
        frames = count()
        return Video(str(path), frames, frames)
    except InputError as error:
        return Video(str(path), 0, 0, one_line(error))
