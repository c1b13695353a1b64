"""A local cache of data files: each is copied to fast storage as it is first read.

A copy carries its source's modification time. It is used as long as size and time agree with the source and
is made anew otherwise. Copies appear by renaming, so concurrent jobs see whole files only; two that copy
the same file at once both succeed. Where the cache cannot hold a file, the source is read.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import shutil
from pathlib import Path

from viddiff.errors import OutputError
from viddiff.files.write import atomic_path

log = logging.getLogger(__name__)


def cached(
    path: str | os.PathLike[str], source_root: str | os.PathLike[str], cache_root: str | os.PathLike[str]
) -> Path:
    """What to read instead of `path`, a file under `source_root`: its copy, or itself if none can be made.

    Copies lie in a folder of `cache_root` that is particular to `source_root`. A cache that cannot be used is
    logged as a warning, once.
    """
    path, source_root, cache_root = Path(path), Path(source_root), Path(cache_root)
    key = hashlib.sha256(str(source_root.resolve()).encode()).hexdigest()[:12]
    copy = cache_root / f"{source_root.resolve().name}-{key}" / path.relative_to(source_root)
    if not path.is_file() or _same(path, copy):
        return path if not path.is_file() else copy
    size = path.stat().st_size
    try:
        cache_root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache_root).free
    except OSError as error:
        _warn(cache_root, f"cannot be used: {error.strerror}")
        return path
    if free < size:
        _warn(cache_root, f"is full: {free} bytes free, {size} needed for {path}")
        return path
    try:
        with atomic_path(copy) as temporary:
            before = path.stat()
            shutil.copyfile(path, temporary)
            os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))
    except OutputError as error:
        _warn(cache_root, f"cannot be used: {error}")
        return path
    return copy if _same(path, copy) else path


def _same(path: Path, copy: Path) -> bool:
    """Whether `copy` exists and has the size and modification time of `path`."""
    try:
        one, two = path.stat(), copy.stat()
    except OSError:
        return False
    return (one.st_size, one.st_mtime_ns) == (two.st_size, two.st_mtime_ns)


@functools.cache
def _warn(cache_root: Path, reason: str) -> None:
    log.warning("data cache %s %s; reading the source instead", cache_root, reason)
