"""Reading `.npy` files without trust: a header is held against the size of its file before memory is taken.

Pickled objects are never loaded. Format: `numpy.lib.format`, versions 1 and 2, which `numpy.save` writes.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from viddiff.errors import unreadable

LONGEST_HEADER = 2**14  # bytes, with what stands before it
_PICKLES = "pickled objects are never loaded, because they can run code"
_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


class Layout(NamedTuple):
    """What a header says, and where the values begin."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    start: int


def is_whole(path: Path) -> bool:
    """Whether a file is there, and an array file of just the length that its header tells."""
    try:
        with open(path, "rb") as file:
            _layout(file.read(LONGEST_HEADER), path.stat().st_size)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    return True


def open_npy(path: Path) -> np.ndarray:
    """Memory-map a file. Raises `InputError` that names it if it is damaged or holds anything but plain values."""
    try:
        with open(path, "rb") as file:
            return _mapped(file)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def open_hashed(path: Path) -> tuple[np.ndarray, str]:
    """As `open_npy`, with the SHA-256 of the same file, in hexadecimal, which is read in parts."""
    try:
        with open(path, "rb") as file:
            values = _mapped(file)
            file.seek(0)
            return values, hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def parse_npy(content: bytes) -> np.ndarray:
    """The array in the content of a file, which is not copied. Raises `ValueError` as `open_npy` would."""
    shape, fortran_order, dtype, start = _layout(content[:LONGEST_HEADER], len(content))
    values = np.frombuffer(content, dtype, offset=start)
    return values.reshape(shape, order="F" if fortran_order else "C")


def _mapped(file: BinaryIO) -> np.ndarray:
    layout = _layout(file.read(LONGEST_HEADER), os.fstat(file.fileno()).st_size)
    order: Literal["F", "C"] = "F" if layout.fortran_order else "C"
    return np.memmap(file, layout.dtype, "r", layout.start, layout.shape, order)


def _layout(head: bytes, size: int) -> Layout:
    """Read a header from the first bytes of a file of `size` bytes. Raises `ValueError` if they are not one."""
    if head.startswith(b"PK"):
        raise ValueError("must hold one array, not an archive of several")
    width = (
        2 if head[6:7] == b"\x01" else 4
    )  # of the number behind magic string and version: the header's length
    layout = _header(head[: 8 + width + int.from_bytes(head[8 : 8 + width], "little")])
    if layout.dtype.hasobject:
        raise ValueError(f"not a plain array; {_PICKLES}")
    if min(layout.shape, default=1) < 0:
        raise ValueError(f"shape {list(layout.shape)} is impossible")
    needed = layout.start + math.prod(layout.shape) * layout.dtype.itemsize
    if needed != size:
        raise ValueError(f"{size} bytes, shape {list(layout.shape)} of {layout.dtype} needs {needed}")
    return layout


@lru_cache(maxsize=100)  # thousands of samples have the same
def _header(head: bytes) -> Layout:
    stream = io.BytesIO(head)
    try:
        return Layout(*_READERS[npy_format.read_magic(stream)](stream), len(head))
    except Exception as error:  # of a hostile text: memory, recursion, nearly anything
        raise ValueError(f"not an array file; {_PICKLES}") from error
