"""The files of the training videos, as a saved training remembers them: whoever goes on with others is told so."""

from __future__ import annotations

from pathlib import Path

from viddiff.data.base import VideoDataset

_SETTING = "setting"


def record_data(dataset: VideoDataset) -> str:
    """A line for each file of the videos, or folder of pictures: bytes and path in the dataset's folder, by path.

    Before them, a line for each setting of the dataset that changes what is read of them.
    """
    folder = dataset.source.path
    files = {dataset.file(index): dataset.files_of(index) for index in range(len(dataset))}
    settings = [f"{_SETTING} {name} {value}" for name, value in dataset.source.intake.changes().items()]
    return "\n".join(
        settings + [f"{_bytes(parts)} {_name(path, folder)}" for path, parts in sorted(files.items())]
    )


def _bytes(parts: list[Path]) -> int:
    return sum(part.stat().st_size for part in parts)


def _name(path: Path, folder: Path) -> Path:
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def data_changes(before: str, now: str) -> str:
    """What has changed between two records, "files: 1 gone (a.npy), 2 new (b.npy, …)"; "" if nothing has."""
    was, is_now = _settings(before), _settings(now)
    told = [f"settings: {was or 'none'} before, {is_now or 'none'} now"] if was != is_now else []
    old, new = _sizes(before), _sizes(now)
    kinds = {
        "gone": old.keys() - new.keys(),
        "new": new.keys() - old.keys(),
        "of another size": {name for name in old.keys() & new.keys() if old[name] != new[name]},
    }
    parts = [f"{len(names)} {kind} ({_few(names)})" for kind, names in kinds.items() if names]
    return "; ".join([*told, *([f"files: {', '.join(parts)}"] if parts else [])])


def _sizes(record: str) -> dict[str, str]:
    sizes = (line.partition(" ") for line in record.splitlines())
    return {name: size for size, _, name in sizes if size != _SETTING}


def _settings(record: str) -> str:
    lines = [line for line in record.splitlines() if line.startswith(f"{_SETTING} ")]
    return ", ".join(line.removeprefix(f"{_SETTING} ") for line in lines)


def _few(names: set[str]) -> str:
    first = sorted(names)[:3]
    return ", ".join(first) + (", …" if len(names) > 3 else "")
