"""Files of `torch.save` as zip archives, judged by their end alone: without torch, in milliseconds.

torch stores each tensor as it is, one behind the other from the first byte on. So the sizes of the entries add up to
less than the file's; an archive that says otherwise would take more memory than it has bytes.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from viddiff.errors import InputError, unreadable

ARCHIVE = b"PK\x03\x04"
PICKLE = b"\x80"  # what a file from before torch 1.6 begins with; its end does not tell whether it is whole


def is_archive(path: Path) -> bool:
    """Whether a file is an archive, as torch tells it. Raises `OSError`."""
    return _first_bytes(path) == ARCHIVE


def check_whole(path: Path, what: str = "checkpoint") -> None:
    """Raise `InputError` if a file is cut off, is none of `torch.save`, or claims more than it holds.

    what: the kind of file, for the message.
    """
    damaged = InputError(f"{path}: cut off, or not a {what}")
    try:
        if not is_archive(path):
            if _first_bytes(path).startswith(PICKLE):
                return
            raise damaged
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception:  # zipfile raises many kinds for a damaged file
        raise damaged from None
    # Python would look for the entries elsewhere than torch if something stood before the first one.
    if min((entry.header_offset for entry in entries), default=None) != 0:
        raise damaged
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise InputError(f"{path}: a compressed archive, which torch.save does not write")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise InputError(f"{path}: its entries claim more bytes than the file has")


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive with code in it, as `torch.jit.save` makes it. Nothing of it is loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except Exception:  # zipfile raises many kinds for a damaged file
        return False


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(len(ARCHIVE))
