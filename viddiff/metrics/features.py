"""Rows of numbers of videos, kept by content: what was computed once is read.

A file per row: `<folder>/<descriptor>-<12 hex digits of its protocol>/<ab>/<SHA-256 of the frames>.npy`. So the truth
is computed once for all modes, and samples that are added later are all that is computed then. A damaged file is made
again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from viddiff.files.npy import parse_npy
from viddiff.files.write import save_npy
from viddiff.metrics.base import Rows, Videos
from viddiff.metrics.extractor import find_descriptor
from viddiff.metrics.settings import MetricSettings


class FeatureStore:
    """Rows of videos, kept in a folder; `None` for a store that keeps nothing. Several processes may use one."""

    def __init__(self, folder: Path | None):
        self.folder = folder

    def rows(self, name: str, videos: Videos, obs_length: int, settings: MetricSettings) -> Rows:
        """The rows `[B, D]` of videos `[B, T, C, H, W]` by the descriptor of that name; those missing are computed.

        Rows that are not finite are not kept. Raises `InputError` for an unknown descriptor, and for videos that it
        does not take.
        """
        entry = find_descriptor(name, settings)
        if not entry.kept or self.folder is None:
            return entry.compute(videos, obs_length, settings)
        folder = self.folder / f"{name}-{_digest_of(entry.protocol(settings))}"
        first = entry.first(obs_length, settings)
        paths = [_path(folder, video[first:]) for video in videos]
        kept = {path: row for path in paths if (row := _read(path)) is not None}
        if len({len(row) for row in kept.values()}) > 1:
            kept = {}
        missing = [path for path in dict.fromkeys(paths) if path not in kept]
        if missing:
            chosen = videos[[paths.index(path) for path in missing]]
            rows = entry.compute(chosen, obs_length, settings)
            kept |= dict(zip(missing, rows, strict=True))
            for path, row in zip(missing, rows, strict=True):
                if np.isfinite(row).all():
                    save_npy(path, row)
        return np.stack([kept[path] for path in paths])


def _digest_of(protocol: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:12]


def _path(folder: Path, frames: np.ndarray) -> Path:
    name = hashlib.sha256(f"{frames.shape}".encode() + frames.tobytes()).hexdigest()
    return folder / name[:2] / f"{name}.npy"


def _read(path: Path) -> np.ndarray | None:
    """The row in a file; `None` if it is not there or holds anything else."""
    try:
        row = parse_npy(path.read_bytes())
    except (OSError, ValueError):
        return None
    whole = row.ndim == 1 and row.dtype.kind == "f" and bool(np.isfinite(row).all())
    return row if whole else None
