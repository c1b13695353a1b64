"""Reading HDF5 files without trust: one array that lies in the file itself, packed by HDF5's own filters.

Other files are never opened (external links, external storage, virtual arrays), nor is code of plug-ins loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viddiff.errors import InputError, unreadable

if TYPE_CHECKING:
    import h5py

# Filters: deflate, shuffle, fletcher32, szip, nbit, scale-offset of HDF5, and lzf of h5py. Others are plug-ins.
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
MOST_NAMES = 1000  # arrays and groups in a file


@contextmanager
def open_hdf5(path: Path, most_bytes: int) -> Iterator[h5py.Dataset]:
    """The only array of a file, open for the block.

    most_bytes: of a chunk, which is unpacked at once. Raises `InputError` that names the file if it is damaged, holds
    no array or several, or one that needs other files or plug-ins.
    """
    import h5py  # only who has such files waits for it

    try:
        with h5py.File(path, "r") as file:
            array = _only_array(file)
            _check_storage(array, most_bytes)
            yield array
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise unreadable(path, error) from error


def _only_array(file: h5py.File) -> h5py.Dataset:
    import h5py

    found: dict[str, h5py.Dataset] = {}
    seen = 0

    def visit(name: str, item: Any) -> None:  # of hard links alone
        nonlocal seen
        seen += 1
        if seen > MOST_NAMES:
            raise ValueError(f"holds more than {MOST_NAMES} arrays and groups")
        if isinstance(item, h5py.Dataset) and item.ndim >= 3:
            found[name] = item

    file.visititems(visit)
    if len(found) != 1:
        listed = f": {', '.join(found):.200}" if found else " (links are not followed)"
        raise ValueError(f"must hold one array of frames, holds {len(found)}{listed}")
    return next(iter(found.values()))


def _check_storage(array: h5py.Dataset, most_bytes: int) -> None:
    plan = array.id.get_create_plist()
    if array.is_virtual or array.external:
        raise ValueError(f"{array.name} lies in other files, which are never opened")
    filters = {plan.get_filter(number)[0] for number in range(plan.get_nfilters())}
    if not filters <= _FILTERS:
        raise ValueError(
            f"{array.name} is packed by a plug-in, filter {min(filters - _FILTERS)}, which is never loaded"
        )
    chunk = 1
    for side in array.chunks or ():
        chunk *= side
    if chunk * array.dtype.itemsize > most_bytes:
        raise ValueError(f"{array.name} has chunks of {chunk} values, at most {most_bytes} bytes are allowed")
