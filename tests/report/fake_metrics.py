"""Metrics files in the tree of the working directory, with what tests want them to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHECKPOINT = "ema_0.9999_400000_respace10,15,25"


def summary(mean: float, error: float | None = 0.25, unit: str = "", **protocol: Any) -> dict[str, Any]:
    """A metric of frames, as older files have it."""
    return {
        "mean": mean,
        "standard_error_videos": error,
        "standard_error_samples": None,
        "per_sample": [mean],
        "per_frame": [mean + 1] * 25 + [mean - 1] * 25,
        "infinite": 0,
        "unit": unit,
        "higher_is_better": True,
        "protocol": {"data_range": 1.0, **protocol},
    }


def of_sets(values: list[float], better: str = "lower", **more: Any) -> dict[str, Any]:
    """A metric of sets of videos with these pseudo-values."""
    mean = sum(values) / len(values)
    return {
        "mean": mean,
        "standard_error_videos": 2.0,
        "standard_error_samples": None,
        "per_sample": [mean],
        "pseudo_values": values,
        "unit": "",
        "better": better,
        "higher_is_better": {"higher": True, "lower": False, "truth": None}[better],
        "protocol": {},
        "warnings": [],
        **more,
    }


def content(**changes: Any) -> dict[str, Any]:
    """A metrics file."""
    return {
        "format": 1,
        "videos": 4,
        "samples_per_video": 1,
        "length": 60,
        "obs_length": 10,
        "metrics": {"psnr": summary(20.0, unit="dB"), "ssim": summary(0.5, 0.0123)},
        "test_videos_sha256": "0123456789abcdef",
        "libraries": {"torch": "2.6"},
        "samples": {},
    } | changes


def write_metrics(
    mode: str, *, run: str = "a/b", checkpoint: str = CHECKPOINT, psnr: float = 20.0, **changes: Any
) -> Path:
    """The metrics file of an evaluation."""
    metrics = {"psnr": summary(psnr, unit="dB"), "ssim": summary(0.5, 0.0123)}
    return put(Path("results", run, checkpoint, mode, "metrics_4-1-60.json"), {"metrics": metrics} | changes)


def write_baseline(name: str, **changes: Any) -> Path:
    """The record of a baseline of the same videos."""
    return put(Path("results/.baselines/balls/test", f"{name}_10", "metrics_4-1-60.json"), changes)


def put(path: Path, changes: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content(**changes)))
    return path
