"""Watches the results of a run: what was made, when, and whether anything finished was made again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from pathlib import Path


class Watch:
    """Notes every version of every stage and sample below a folder, about 30 times a second, while it is entered.

    A version is told by its inode: files appear by renaming, so what is made again has another one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions: dict[str, dict[int, float]] = defaultdict(dict)  # inode: when it was seen first
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    @property
    def made_again(self) -> list[str]:
        """Finished stages and samples that were made more than once."""
        return sorted(name for name, versions in self.versions.items() if len(versions) > 1)

    def last_before(self, moment: float) -> float:
        """When the last stage or sample before a moment was finished."""
        times = (seen for versions in self.versions.values() for seen in versions.values())
        return max(seen for seen in times if seen <= moment)

    def _loop(self) -> None:
        while not self._end.wait(0.03):
            for pattern in ("samples/.partial/*/stage_*.npy", "samples/sample_*.npy"):
                with contextlib.suppress(
                    FileNotFoundError
                ):  # a folder that vanishes: seen again the next time
                    for path in self.folder.glob(pattern):
                        name, seen = str(path.relative_to(self.folder)), time.time()
                        self.versions[name].setdefault(path.stat().st_ino, seen)
