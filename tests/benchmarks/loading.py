"""How many training windows a second are loaded: from arrays, MP4, and from MP4 and arrays that are decoded once.

    OMP_NUM_THREADS=1 python tests/benchmarks/loading.py [--sizes 32 64 128] [--forms npy pt mp4] [--workers 1 4 15]
        [--seconds 3] [--folder FOLDER] [--output loading.json]

Videos are made first: moving patterns with noise, 100 frames of 32x32, 500 of 64x64, 1000 of 128x128, in the files of
each form; those of 32x32 are `bouncy_balls` too. Windows are of 20 frames (10 at 32x32) from anywhere in a video, with
the keys' defaults but for `T`, the frames of a video. The first figures are of a second of the processor in one
process, with what ffmpeg takes: rows of a size are measured in turns. With `--workers` the others are of a second on
the clock, with so many processes that load data, as training gets them. The page cache is warm: nothing waits for a
disk.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.animations import moving_pattern, seconds

from viddiff.data import DatasetSettings, DecodedVideos, VideoDataset, open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.training.config import TrainingConfig, training_config
from viddiff.training.loading import TrainingWindows, training_windows

FORMS, TURNS = ("npy", "pt", "mp4"), 3


@dataclass(frozen=True)
class Size:
    """Videos of a size: how many, their frames, and windows and batches of them."""

    videos: int
    frames: int
    window: int
    batch: int


SIZES = {32: Size(16, 100, 10, 32), 64: Size(8, 500, 20, 4), 128: Size(4, 1000, 20, 1)}


def write(path: Path, frames: np.ndarray) -> None:
    """Write a video, uint8 `[T, 3, S, S]`, in the form that its suffix tells, if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    last = np.ascontiguousarray(frames.transpose(0, 2, 3, 1))
    if path.suffix == ".npy":
        np.save(path, last)
    elif path.suffix == ".pt":
        torch.save(torch.from_numpy(last), path)
    else:
        imageio.mimwrite(path, last, fps=25)


def make_videos(folder: Path, forms: Sequence[str], size: int) -> None:
    """The same videos in each form."""
    for number in range(SIZES[size].videos):
        missing = [
            path for form in forms if not (path := _folder(folder, form, size) / f"{number}.{form}").exists()
        ]
        if missing:
            video = np.roll(moving_pattern(SIZES[size].frames, size)["noisy"], number * 5, axis=-1)
        for path in missing:
            write(path, video)


def _folder(folder: Path, form: str, size: int) -> Path:
    return folder / f"{form}{size}" / "train"


def settings(name: str, size: int) -> TrainingConfig:
    """Of a training on videos of that size."""
    shape = SIZES[size]
    return training_config(
        {"dataset": name, "T": shape.frames, "max_frames": shape.window, "batch_size": shape.batch}
        | {"steps": 10**9, "image_size": size}
    )


def opened(folder: Path, form: str, size: int) -> tuple[TrainingConfig, dict[str, VideoDataset]]:
    """A dataset as it is, and decoded once."""
    if form == "bouncy_balls":
        return settings(form, size), {"as it is": open_dataset(form, "train", folder)}
    name = f"{form}{size}"
    kind = {name: DatasetSettings("minerl" if form == "npy" else "video_folder", name, image_size=size)}
    videos = open_dataset(name, "train", folder, kind)
    fast = DecodedVideos(videos, folder / ".decoded")
    for index in fast.missing():
        fast.decode(index)
    return settings(name, size), {"as it is": videos, "decode_once": fast}


def rates(loads: dict[str, Callable[[int], Any]], batch: int, wanted: float) -> dict[str, float]:
    """Windows per second of the processor, by name: each gets its share of the time in several turns."""
    made, taken = dict.fromkeys(loads, 0), dict.fromkeys(loads, 0.0)
    for load in loads.values():
        load(10**6)  # opens files
    for turn in range(1, TURNS + 1):
        for name, load in loads.items():
            start = seconds()
            while (spent := taken[name] + seconds() - start) < wanted * turn / TURNS:
                load(made[name])
                made[name] += 1
            taken[name] = max(spent, 0.01)  # what the clock can tell
    return {name: batch * made[name] / taken[name] for name in loads}


def rate_with(config: TrainingConfig, videos: VideoDataset, workers: int, wanted: float) -> float:
    """Windows per second on the clock, by training's own loader with so many processes."""
    loaded = training_config(
        {"dataset": config.dataset, "T": config.T, "max_frames": config.max_frames, "steps": config.steps}
        | {"batch_size": config.batch_size, "num_workers": workers, "image_size": videos.image_size}
    )
    with closing(training_windows(loaded, videos, 0)) as windows:
        for _ in range(workers + 1):
            next(windows)
        start, made = time.perf_counter(), 0
        while time.perf_counter() - start < wanted:
            next(windows)
            made += 1
        return made * config.batch_size / (time.perf_counter() - start)


def measure(folder: Path, size: int, given: argparse.Namespace) -> None:
    forms = [*given.forms, *(["bouncy_balls"] if size == 32 else [])]
    make_videos(folder, given.forms, size)
    if size == 32:
        write_bouncy_balls(folder, "train", SIZES[size].videos, SIZES[size].frames)
    datasets, loads, configs = {}, {}, {}
    for form in forms:
        configs[form], found = opened(folder, form, size)
        for kind, videos in found.items():
            datasets[form, kind] = videos
            loads[f"{form}, {kind}"] = TrainingWindows(configs[form], videos).batch
    by_core = rates(loads, SIZES[size].batch, given.seconds)
    for (form, kind), videos in datasets.items():
        row: dict[str, float] = {"a core": by_core[f"{form}, {kind}"]}
        for workers in given.workers:
            row[f"{workers} processes"] = rate_with(configs[form], videos, workers, given.seconds)
        given.found[f"{size}, {form}, {kind}"] = row
        figures = " | ".join(f"{rate:.3g}" for rate in row.values())
        print(f"| {size}x{size} | {form} | {kind} | {figures} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=FORMS)
    parser.add_argument("--workers", type=int, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(arguments, argparse.Namespace(found={}))
    columns = ["a core", *(f"{workers} processes" for workers in given.workers)]
    print(f"| frames | form | read | {' | '.join(columns)} |\n|{' --- |' * (3 + len(columns))}", flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own:
        for size in given.sizes:
            measure(given.folder or Path(own), size, given)
    if given.output:
        given.output.write_text(json.dumps(given.found, indent=1))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    sys.exit(main())
