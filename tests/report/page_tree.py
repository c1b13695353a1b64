"""A tree of results with all that a page shows, made by hand, and the page of it."""

from __future__ import annotations

import contextlib
import csv
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.jobs.page import GroupFiles, make_page
from viddiff.render.mp4 import write_mp4
from viddiff.render.pages import FPS
from viddiff.report.page.build import Shown, ShownGroup, Videos, build_page
from viddiff.report.page.content import Clip, Name, Picture, TestVideo
from viddiff.report.page.folder import write_page
from viddiff.tree.paths import Evaluation

RUN = "a/run"
CHECKPOINT = "ema_0.9999_400000_respace10"
MODES = ("autoreg_10_3_60_10", "hierarchy-2_10_3_60_10", "exp-past_10_3_60_10")
LENGTH, OBSERVED, VIDEOS = 60, 10, 2
HEADINGS = (
    "metric", "run a", "checkpoint a", "mode a", "run b", "checkpoint b", "mode b", "videos", "a", "b", "difference",
    "low", "high", "p", "p holm", "verdict",
)  # fmt: skip


def write_tree(root: Path, note: str = "8 videos are few") -> list[Evaluation]:
    """Everything of three modes, whose frames have four times their number as grey level.

    note: a text that files say in many places.
    """
    levels = 4 * np.arange(LENGTH, dtype=np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (LENGTH, 3, 32, 32))
    evaluations = [Evaluation.named(RUN, CHECKPOINT, mode, root / "results") for mode in MODES]
    for number, evaluation in enumerate(evaluations):
        folder = evaluation.directory
        for video in range(VIDEOS):
            put_array(evaluation.sample(video, 0), frames)
            flags = [frame < OBSERVED for frame in range(LENGTH)]
            write_mp4(evaluation.animation(video, 0, "mp4"), frames, flags)
        put(evaluation.metrics(VIDEOS, 1, LENGTH, "json"), metrics(number, note))
        put(folder / "model_config.json", {"dataset": "bouncy_balls"})
        put(folder / "plan_cost.json", cost(number))
        put(folder / "provenance" / "samples_0000-0-1.json", {"began": "1", "ended": "2", "command": note})
        put(folder / "timings" / "samples_0000-0-1.json", timing(number, note))
        Image.new("RGB", (300, 120), "white").save(folder / "plan.png")
    run = root / "checkpoints" / RUN
    run.mkdir(parents=True)
    Image.new("RGB", (600, 320), "white").save(run / "curves.png")
    write_pairs(root / "pairs.csv", note)
    write_bouncy_balls(root, "test", VIDEOS, length=LENGTH)
    return evaluations


def make(root: Path, evaluations: list[Evaluation]) -> Path:
    """The page of evaluations, whose files are there."""
    shown = [Shown(one, one.metrics(VIDEOS, 1, LENGTH, "json")) for one in evaluations]
    index = root / "results" / "report" / "index.html"
    groups = [GroupFiles("the group", shown, [], VIDEOS)]
    with contextlib.chdir(root):  # where checkpoints are
        make_page(
            index,
            "Three modes",
            groups,
            root / "pairs.csv",
            lambda name, split: open_dataset(name, split, root),
        )
    return index


def make_large(root: Path, modes: int, videos: int, clip: Path, thumbnail: Path) -> Path:
    """The page of many modes and videos, all of them copies of a clip and its thumbnail."""
    names = [
        f"{name}_10_{step}_60_10" for name in ("autoreg", "exp-past", "hierarchy-2") for step in range(1, 9)
    ]
    evaluations = [Evaluation.named("run", CHECKPOINT, mode, root / "results") for mode in names[:modes]]
    for number, evaluation in enumerate(evaluations):
        put(evaluation.metrics(100, 1, LENGTH, "json"), metrics(number % 3, "few") | {"videos": 100})
        put(evaluation.directory / "plan_cost.json", cost(number))
    write_pairs(root / "pairs.csv", "few")
    index = root / "results" / "report" / "index.html"
    (index.parent / "media").mkdir(parents=True)
    shown = []
    for video in range(videos):
        clips = []
        for place in range(modes + 1):
            name = None if not place else Name(*evaluations[place - 1].names, place - 1)
            files = [f"media/{video}-{place}{file.suffix}" for file in (clip, thumbnail)]
            for file, source in zip(files, (clip, thumbnail), strict=True):
                (index.parent / file).hardlink_to(source)
            clips.append(Clip(name, files[0], files[1], [(0, OBSERVED - 1)]))
        shown.append(TestVideo(video, clips, LENGTH, 35))
    rows = [Shown(one, one.metrics(100, 1, LENGTH, "json")) for one in evaluations]
    group = ShownGroup("many", rows, [], Videos(shown, FPS, 136, 158))
    pictures = {one: Picture(shown[0].clips[0].thumbnail, 136, 158, "a plan") for one in evaluations}
    write_page(index, *build_page("Many", [group], pictures, [], root / "pairs.csv"))
    return index


def metrics(number: int, note: str) -> dict[str, Any]:
    """A metric of frames, one with a floor and a warning, and one that is best near the truth, with a curve."""
    shared = {
        "standard_error_videos": 0.5,
        "standard_error_samples": None,
        "unit": "",
        "protocol": {"text": note},
    }
    frames = LENGTH - OBSERVED
    psnr = shared | {"mean": [20.0, 9.0, 100.0][number], "higher_is_better": True, "unit": "dB"}
    fvd = shared | {
        "mean": 300.0 - 50 * number,
        "better": "lower",
        "higher_is_better": False,
        "warnings": [note],
    }
    seam = shared | {"mean": 1.5 - 0.1 * number, "better": "truth", "higher_is_better": None}
    near = {"mean": 1.02, "standard_error_videos": 0.01}
    curve = {"axis": "lag", "positions": [1, 2, 4], "values": [1, 2, 3], "standard_errors": [0.1, 0.1, 0.1]}
    return {
        "format": 1,
        "videos": VIDEOS,
        "samples_per_video": 1,
        "length": LENGTH,
        "obs_length": OBSERVED,
        "test_videos_sha256": "0123456789abcdef",
        "metrics": {
            "psnr": psnr | {"per_frame": [20.0 + number] * frames},
            "fvd": fvd | {"floor": {"mean": 212.3, "standard_error_videos": 13.1, "videos": VIDEOS}},
            "seam": seam | {"truth": near, "curve": curve | {"truth": [1, 1, 1]}},
        },
    }


def cost(number: int) -> dict[str, Any]:
    return {
        "stages": 10 + number, "chain": 10, "diffusion_steps": 10, "max_frames": 10, "largest_window": 10,
        "filled": 0.99, "selected": 0, "evaluations": 10 * (10 + number), "sequential_evaluations": 100,
        "steps_from": "by the folder's name", "estimates": [],
    }  # fmt: skip


def timing(number: int, device: str) -> dict[str, Any]:
    return {
        "device": device, "window_evaluations": 100, "seconds": 10.0 + number, "max_frames": 10, "image_size": 32,
    }  # fmt: skip


def write_pairs(path: Path, note: str) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(HEADINGS)
        for metric in ("psnr", "fvd"):
            for a, b in combinations(MODES, 2):
                names = [RUN, CHECKPOINT, a, RUN, CHECKPOINT, b]
                table.writerow([metric, *names, VIDEOS, 20, 19, 1.5, 0.5, 2.5, 0.01, 0.03, note])
        table.writerow(["seam", "", "", MODES[0], "", "", MODES[1], *[""] * 8, "not measured alike"])


def put(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def put_array(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
