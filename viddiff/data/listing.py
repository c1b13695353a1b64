"""Which files of a folder are videos, and which are passed over, by name.

A folder holds one kind of thing, the first of these that it has: video files (compressed or arrays, `.npy`, `.pt`);
archives (`.npz`, HDF5); pictures, which are the frames of one video; folders, each listed likewise. What lies beside is
ignored. So what is added to a folder of videos changes nothing unless it is a video. The order is that of the names.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from viddiff.data.stored import ARRAYS, GIFS, HDF5, MOVIES, NPZ, PICTURES

FILES = (*MOVIES, *GIFS, *ARRAYS)
ARCHIVES = (*NPZ, *HDF5)
OTHER_VIDEOS = (
    ".3g2",
    ".3gp",
    ".asf",
    ".divx",
    ".f4v",
    ".flv",
    ".m2ts",
    ".m2v",
    ".mpe",
    ".mpeg",
    ".mpg",
    ".mts",
    ".mxf",
    ".ogm",
    ".ogv",
    ".rm",
    ".rmvb",
    ".ts",
    ".vob",
    ".wmv",
    ".y4m",
)


@dataclass
class Listing:
    """videos: files and folders of pictures; problems: what must be put right; ignored: what else is there or lacks."""

    videos: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def list_videos(folder: Path) -> Listing:
    """All videos below a folder."""
    if not folder.is_dir():
        return Listing(problems=[f"{folder}: no such folder"])
    listing = Listing()
    _list(folder, listing, above=())
    if not listing.videos and not listing.problems:
        listing.problems.append(
            f"{folder}: no videos ({', '.join((*FILES, *ARCHIVES))}, or folders of {', '.join(PICTURES)})"
        )
    return listing


def _list(folder: Path, listing: Listing, above: tuple[Path, ...]) -> None:
    """Add what a folder holds. above: the folders that it lies in, without links."""
    with os.scandir(folder) as found:  # which knows what is a file without asking for each
        entries = sorted(
            (item for item in found if not item.name.startswith(".")), key=lambda item: item.name
        )
    folders = [Path(item.path) for item in entries if item.is_dir()]
    files = [Path(item.path) for item in entries if item.is_file()]

    def of(suffixes: tuple[str, ...]) -> list[Path]:
        return [path for path in files if path.suffix.lower() in suffixes]

    others = of(OTHER_VIDEOS)
    broken = [Path(item.path) for item in entries if item.is_symlink() and not os.path.exists(item.path)]
    listing.problems += [f"{path}: videos must be {', '.join((*FILES, *ARCHIVES))}" for path in others]
    listing.problems += [f"{path}: a link to {path.readlink()}, which is not there" for path in broken]
    if used := of(FILES) or of(ARCHIVES):
        listing.videos += used
    elif used := of(PICTURES):
        if above:
            listing.videos.append(folder)
            listing.ignored += _gap(used)
        else:
            listing.problems.append(f"{used[0]}: pictures must lie in folders, one for each video")
    else:
        above = (*above, folder.resolve())
        for inner in folders:
            if inner.resolve() in above:
                listing.ignored.append(f"{inner}: ignored, a link to a folder that it lies in")
            else:
                _list(inner, listing, above)
    if used and folders:
        listing.ignored.append(f"{folders[0]}{_more(folders)}: ignored, a folder beside {used[0].name}")
    accounted = {*used, *others}
    by_suffix = defaultdict(list)
    for path in files:
        if path not in accounted:
            by_suffix[path.suffix.lower()].append(path)
    for suffix, paths in by_suffix.items():
        why = f"beside {used[0].name}" if used and suffix in (*ARCHIVES, *PICTURES) else "no video"
        listing.ignored.append(f"{paths[0]}{_more(paths)}: ignored, {why}")


def _gap(pictures: list[Path]) -> list[str]:
    """A line if the numbers of a video's pictures have a gap, which is passed over."""
    numbers = sorted({int(number[-1]) for path in pictures if (number := re.findall("[0-9]+", path.stem))})
    steps = [(after - before, before, after) for before, after in pairwise(numbers)]
    usual, most = min(steps, default=None), max(steps, default=None, key=lambda step: step[0])
    if usual is None or most is None or usual[0] == most[0]:
        return []
    return [f"{pictures[0].parent}: no picture between numbers {most[1]} and {most[2]}; read as neighbours"]


def _more(paths: list[Path]) -> str:
    return f" and {len(paths) - 1} more" if len(paths) > 1 else ""
