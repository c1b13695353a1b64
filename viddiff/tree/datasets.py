"""What was found in the files of a dataset, so that they are read once: planning and the next check look it up.

results/.data/<dataset>/<split>.json             the record of a split
results/.data/<dataset>/<split>_<T>.checked      that training on crops of T frames could begin

It lies with the results, since data may be read-only. It may be removed: that costs a check. A file counts as unchanged
by its size and time, a folder by its time, which changes with the names in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from viddiff.dataset_settings import DatasetSettings, too_short
from viddiff.errors import InputError, reading
from viddiff.files.json_files import GROWING, read_json, whole_number
from viddiff.files.write import write_text
from viddiff.tree.paths import RESULTS

FOLDER = f"{RESULTS}/.data"
State = tuple[int, int]  # size and time of a file; of a folder 0 and time


@dataclass(frozen=True)
class Video:
    """A video of a split: its file, and its frames or why they cannot be read.

    stored: as many as the file has, of which the dataset may use fewer.
    """

    file: str
    frames: int
    stored: int
    problem: str | None = None


@dataclass(frozen=True)
class DatasetRecord:
    """A split as a check found it.

    settings: what its reader depends on; states: of each file and folder; videos: by their index; problems: lines on
    what is no video's; whole: whether the check came to its end.
    """

    settings: Mapping[str, Any]
    states: Mapping[str, State] = field(default_factory=dict)
    videos: Sequence[Video] = ()
    problems: Sequence[str] = ()
    whole: bool = False

    @cached_property
    def by_file(self) -> dict[str, Video]:
        """The videos that have a file each."""
        return {video.file: video for video in self.videos}

    def known(self, file: str | Path) -> Video | None:
        """The video of a file that has not changed since."""
        video = self.by_file.get(str(file))
        return video if video and self.states.get(str(file)) == state_of(file) else None

    def is_current(self) -> bool:
        """Whether the check came to its end, and neither a file nor a folder has changed since."""
        return self.whole and all(state_of(file) == state for file, state in self.states.items())

    def lines(self, needed: int, first: int | None = None) -> list[str]:
        """All that is wrong. needed: frames; first: of how many videos, `None`: of all."""
        lines = [
            video.problem or too_short(video.file, video.frames, needed) for video in self.videos[:first]
        ]
        return [*self.problems, *filter(None, lines)]


def record_file(dataset: str, split: str) -> Path:
    """The record of a split."""
    return Path(FOLDER, dataset, f"{split}.json")


def settings_of(dataset: str, root: str, datasets: Mapping[str, DatasetSettings]) -> dict[str, Any]:
    """What the reader of a dataset depends on, but for its files."""
    own = datasets.get(dataset)
    return {
        "data_root": os.path.abspath(root),
        "dataset": json.loads(json.dumps(asdict(own))) if own else dataset,
    }


def state_of(path: str | Path) -> State | None:
    """The state of a file or folder; `None` if there is none."""
    with suppress(OSError):
        stat = os.stat(path)
        return (0 if os.path.isdir(path) else stat.st_size, stat.st_mtime_ns)
    return None


def folder_states(folder: Path, split: str) -> dict[str, State]:
    """The states of a dataset's folder, of the lists in it, and of the folders of a split."""
    split_folders = [inner for inner, _, _ in os.walk(folder / split, followlinks=True)]
    return states_of([folder, *folder.glob("*.csv"), *split_folders])


def states_of(paths: Iterable[str | Path]) -> dict[str, State]:
    """The states of the files and folders that are there."""
    return {str(path): state for path in paths if (state := state_of(path))}


def read_record(path: Path, settings: Mapping[str, Any]) -> DatasetRecord:
    """The record in a file; an empty one if there is none, it is damaged, or of other settings."""
    with suppress(InputError), reading(path, "a record of a dataset"):
        content = read_json(path, GROWING)
        if content["settings"] == settings:
            return DatasetRecord(
                settings,
                {
                    file: (whole_number(size), whole_number(time))
                    for file, (size, time) in content["states"].items()
                },
                [_video(*row) for row in content["videos"]],
                [str(line) for line in content["problems"]],
                content["whole"] is True,
            )
    return DatasetRecord(settings)


def write_record(path: Path, record: DatasetRecord) -> None:
    """Write a record, whole or not at all: of two checks at the same time one remains."""
    videos = [list(vars(video).values()) for video in record.videos]
    write_text(path, json.dumps(vars(record) | {"videos": videos}) + "\n")


def _video(file: Any, frames: Any, stored: Any, problem: Any) -> Video:
    return Video(
        str(file), whole_number(frames), whole_number(stored), None if problem is None else str(problem)
    )
