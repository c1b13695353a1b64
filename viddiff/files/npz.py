"""Reading `.npz` files without trust: one plain array, at most as large unpacked as the caller allows."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from viddiff.errors import unreadable
from viddiff.files.npy import parse_npy


def load_npz(path: Path, most_bytes: int) -> np.ndarray:
    """The only array of an archive. Raises `InputError` that names the file if it is damaged or holds anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != 1:
                listed = ", ".join(name.removesuffix(".npy") for name in names)
                raise ValueError(f"must hold one array, holds {len(names)}: {listed:.200}")
            size = archive.getinfo(names[0]).file_size
            if size > most_bytes:
                raise ValueError(f"{size} bytes unpacked, at most {most_bytes} are allowed; save it as .npy")
            return parse_npy(archive.read(names[0]))
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise unreadable(path, error) from error
