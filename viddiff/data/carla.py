"""CARLA (arXiv 2205.11495): `.pt` files, uint8 `[T, H, W, C]`, listed in `video_train.csv`, `video_test.csv`.

A list has the header `,path` and rows `<number>,<path>`; only the last part of a path counts, since the
files lie beside the list. `carla_no_traffic_variable_length` has no lists: all its `video_*.pt` are test
videos, in order of their names.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from pathlib import Path

from viddiff.data.arrays import VideoFiles
from viddiff.data.base import SPLITS, Source, by_number, dataset
from viddiff.errors import InputError
from viddiff.files.write import write_text


@dataset("carla_no_traffic", image_size=128, length=1000, folders=("carla/no-traffic",))
@dataset("carla_with_traffic", image_size=128, length=1000, folders=("carla/with-traffic",))
@dataset("carla_town02_no_traffic", image_size=128, length=1000, folders=("carla/town02-no-traffic",))
class Carla(VideoFiles):
    """The files that a list names."""

    @classmethod
    def find(cls, source: Source) -> tuple[list[Path], list[str]]:
        listing = source.path / f"video_{source.split}.csv"
        try:
            with open(listing, newline="", encoding="utf-8") as file:
                rows = [(number, row[-1].strip()) for number, row in enumerate(csv.reader(file), 1) if row]
        except FileNotFoundError:
            return [], [
                f"{listing}: no such file; it must list the {source.split} videos; viddiff carla-csv makes it"
            ]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            return [], [f"{listing}: cannot be read: {error}"]
        if rows and rows[0][1] == "path":
            rows = rows[1:]
        problems = [
            f"{listing}: line {number}: {entry!r} names no .pt file"
            for number, entry in rows
            if not entry.endswith(".pt")
        ]
        names = [entry.rsplit("/", 1)[-1] for _, entry in rows if entry.endswith(".pt")]
        if not names:
            return [], [*problems, f"{listing}: lists no videos"]
        counts = Counter(names)
        problems += [f"{listing}: {name} is listed {n} times" for name, n in counts.items() if n > 1]
        missing = {name for name in counts if not (source.path / name).is_file()}
        problems += [
            f"{source.path / name}: missing, but listed in {listing.name}" for name in sorted(missing)
        ]
        return [source.path / name for name in names if name not in missing], problems


@dataset("carla_no_traffic_variable_length", image_size=128, folders=("carla/no-traffic-variable-length",))
class CarlaVariableLength(VideoFiles):
    """All `video_*.pt` of the folder; test videos only."""

    @classmethod
    def find(cls, source: Source) -> tuple[list[Path], list[str]]:
        if source.split != "test":
            raise InputError(f"dataset {source.name}: has test videos only, no split {source.split!r}")
        paths = sorted(source.path.glob("video_*.pt"))
        return paths, ([] if paths else [f"{source.path}: no video_*.pt files"])


def write_lists(folder: str | os.PathLike[str], test_videos: int) -> dict[str, int]:
    """Write `video_train.csv` and `video_test.csv` for the `.pt` files of a folder; returns the videos of each split.

    The last `test_videos` are test videos, by the numbers in their names: `video_10.pt` follows `video_9.pt`.

    Raises `InputError` if there is no such folder, a list exists, or no video would be left for a split.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"no folder {folder}")
    lists = {split: folder / f"video_{split}.csv" for split in SPLITS}
    if found := [path for path in lists.values() if os.path.lexists(path)]:
        raise InputError(f"{found[0]} exists; move it away to have the lists made")
    files = (path for path in folder.glob("*.pt") if path.is_file() and not path.name.startswith("."))
    names = sorted((path.name for path in files), key=by_number)
    if not 1 <= test_videos < len(names):
        raise InputError(
            f"{test_videos} test videos of the {len(names)} .pt files in {folder}; "
            "there must be 1 at least, and one left for training"
        )
    split_names = {"train": names[:-test_videos], "test": names[-test_videos:]}
    for split, path in lists.items():
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerows([("", "path"), *enumerate(split_names[split])])
        write_text(path, text.getvalue())
    return {split: len(listed) for split, listed in split_names.items()}
