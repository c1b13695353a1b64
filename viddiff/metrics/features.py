"""Rows of numbers of videos, kept by content: what was computed once is read.

A file per row: `<folder>/<descriptor>-<12 hex digits of its protocol>/<ab>/<SHA-256 of the frames>.npy`. So the truth
is computed once for all modes, and samples that are added later are all that is computed then. A damaged file is made
again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from viddiff.errors import InputError
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

        Rows that are not finite are not kept. Raises `InputError` for an unknown descriptor, for videos that it does
        not take, and if it gives no rows.
        """
        entry = find_descriptor(name, settings)
        if not entry.kept or self.folder is None:
            return entry.compute(videos, obs_length, settings)
        folder = self.folder / f"{name}-{_digest_of(entry.protocol(settings))}"
        first = entry.first(obs_length, settings)
        paths = [_path(folder, video[first:]) for video in videos]
        named = dict(zip(paths, videos, strict=True))

        def made(chosen: Sequence[Path]) -> dict[Path, np.ndarray]:
            (one, *others) = (named[path] for path in chosen)  # one may be too long to be copied
            rows = entry.compute(np.stack([one, *others]) if others else one[None], obs_length, settings)
            if rows.ndim != 2 or len(rows) != len(chosen):
                raise InputError(f"the rows of {name} are {list(rows.shape)}, must be [{len(chosen)}, D]")
            for path, row in zip(chosen, rows, strict=True):
                if np.isfinite(row).all():
                    save_npy(path, row)
            return dict(zip(chosen, rows, strict=True))

        found = {path: row for path in named if (row := _read(path)) is not None}
        if missing := [path for path in named if path not in found]:
            found |= made(missing)
        if len({len(row) for row in found.values()}) > 1:  # a file holds the row of something else
            found = made(list(named))
        return np.stack([found[path] for path in paths])


def _digest_of(protocol: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:12]


def _path(folder: Path, frames: np.ndarray) -> Path:
    digest = hashlib.sha256(f"{frames.shape}".encode())
    digest.update(np.ascontiguousarray(frames).data)
    name = digest.hexdigest()
    return folder / name[:2] / f"{name}.npy"


def _read(path: Path) -> np.ndarray | None:
    """The row in a file; `None` if it is not there or holds anything else."""
    try:
        row = parse_npy(path.read_bytes())
    except (OSError, ValueError):
        return None
    whole = row.ndim == 1 and row.dtype.kind == "f" and bool(np.isfinite(row).all())
    return row if whole else None
