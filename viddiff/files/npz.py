"""Reading `.npz` files without trust: plain arrays, at most as large unpacked as the caller allows."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from viddiff.errors import unreadable
from viddiff.files.npy import parse_npy


def load_npz(path: Path, most_bytes: int) -> np.ndarray:
    """The only array of an archive. Raises `InputError` that names the file if it is damaged or holds anything else."""
    return next(iter(_load(path, most_bytes, only=True).values()))


def load_arrays(path: Path, most_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of an archive by name; together they have `most_bytes` unpacked at most.

    Raises `InputError` that names the file if it is damaged or holds anything else.
    """
    return _load(path, most_bytes, only=False)


def _load(path: Path, most_bytes: int, only: bool) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if only and len(names) != 1:
                listed = ", ".join(name.removesuffix(".npy") for name in names)
                raise ValueError(f"must hold one array, holds {len(names)}: {listed:.200}")
            size = sum(archive.getinfo(name).file_size for name in names)
            if size > most_bytes:
                raise ValueError(f"{size} bytes unpacked, at most {most_bytes} are allowed; save it as .npy")
            return {name.removesuffix(".npy"): parse_npy(archive.read(name)) for name in names}
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise unreadable(path, error) from error
