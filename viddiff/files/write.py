"""Writing files so that a reader sees a whole file or none.

Everything goes to a temporary name in the target's own folder, is flushed to the disk and renamed. A process killed at
any moment leaves at worst a file whose name starts with `.tmp-`.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from viddiff.errors import OutputError

_NOT_SUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`, same suffix; rename it to `path` if the block ends well, else remove it.

    Raises `OutputError` with the target's name if the system refuses to write.
    """
    target = Path(path)
    temporary = _temporary(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
    except (OSError, RuntimeError) as error:
        cause = (
            error if isinstance(error, OSError) else error.__context__
        )  # torch.save hides the system's error
        if not isinstance(cause, OSError):
            raise
        raise OutputError(f"cannot write {target}: {cause.strerror or cause}") from error
    finally:
        with suppress(OSError):  # the folder itself is gone or not a folder: nothing of ours is left there
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def create_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a short UTF-8 text file that must not be there: of several processes, one creates it.

    It appears with its whole content; on a file system without hard links (FAT, some network drives) it is empty for a
    moment, and stays so if the process is killed just then.
    Raises `FileExistsError` if it is there, `OutputError` if the system refuses to write.
    """
    target = Path(path)
    temporary = _temporary(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        _flush(temporary)
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError:
            _create(target, text.encode())
    except FileExistsError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], value: Any, allow_nan: bool = False) -> None:
    """Write `value` as indented JSON, atomically.

    allow_nan: write NaN and infinity as Python does. JSON has no such numbers: else they raise `ValueError`.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=allow_nan) + "\n")


def save_npy(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Save an array in NumPy's format (never a pickle), atomically."""
    buffer = io.BytesIO()  # written by itself: NumPy hides why the system refuses
    np.save(buffer, array, allow_pickle=False)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def save_npy_parts(
    path: str | os.PathLike[str], shape: Sequence[int], dtype: np.dtype, parts: Iterable[np.ndarray]
) -> None:
    """Save an array that is handed over in parts along its first axis: the file is that of `save_npy`, atomically.

    Raises `ValueError` if the parts are not that array.
    """
    header = {
        "descr": npy_format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": tuple(shape),
    }
    left = shape[0]
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        npy_format.write_array_header_1_0(file, header)
        for part in parts:
            left -= len(part)
            if part.dtype != dtype or part.shape[1:] != tuple(shape[1:]) or left < 0:
                raise ValueError(f"a part is {part.dtype} {part.shape} of {dtype} {tuple(shape)}")
            file.write(np.ascontiguousarray(part).data)
        if left:
            raise ValueError(f"{left} of {shape[0]} are missing")


def save_npz(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Save arrays by name in NumPy's archive (never a pickle), atomically."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # by itself: older versions of NumPy would pickle
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def sha256_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _create(target: Path, content: bytes) -> None:
    """Create a file; nothing is left of it if the system refuses."""
    with open(target, "xb", buffering=0) as file:
        try:
            file.write(content)
            _flush(target)
        except OSError:
            target.unlink()
            raise


def _temporary(target: Path) -> Path:
    return target.with_name(f".tmp-{uuid.uuid4().hex[:8]}-{target.name}")


def _flush(path: Path) -> None:
    """Have a file's content on the disk, as far as its file system can."""
    with open(path, "rb") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
