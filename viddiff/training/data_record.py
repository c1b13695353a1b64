"""The files of the training videos, as a saved training remembers them: whoever goes on with others is told so."""

from __future__ import annotations

from viddiff.data.base import VideoDataset


def record_data(dataset: VideoDataset) -> str:
    """A line for each file of the videos: bytes and path in the dataset's folder, sorted by path."""
    folder = dataset.source.path
    files = sorted({dataset.file(index) for index in range(len(dataset))})
    names = [path.relative_to(folder) if path.is_relative_to(folder) else path for path in files]
    return "\n".join(f"{path.stat().st_size} {name}" for path, name in zip(files, names, strict=True))


def data_changes(before: str, now: str) -> str:
    """What has changed between two records, "1 file gone (a.npy), 2 new (b.npy, …)"; "" if nothing has."""
    old, new = _sizes(before), _sizes(now)
    kinds = {
        "gone": old.keys() - new.keys(),
        "new": new.keys() - old.keys(),
        "of another size": {name for name in old.keys() & new.keys() if old[name] != new[name]},
    }
    parts = [f"{len(names)} {kind} ({_few(names)})" for kind, names in kinds.items() if names]
    return f"files: {', '.join(parts)}" if parts else ""


def _sizes(record: str) -> dict[str, str]:
    sizes = (line.partition(" ") for line in record.splitlines())
    return {name: size for size, _, name in sizes}


def _few(names: set[str]) -> str:
    first = sorted(names)[:3]
    return ", ".join(first) + (", …" if len(names) > 3 else "")
