"""What jobs with a network or a device share: their evaluation, device, data, progress, claim and record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from viddiff.data.base import VideoDataset
from viddiff.tree.paths import Evaluation
from viddiff.tree.provenance import recorded

OpenVideos = Callable[[str, str], VideoDataset]  # by name and split, "test" or "train"


@dataclass(frozen=True)
class Job:
    """A job that adds files to an evaluation directory.

    origin: what only the caller knows of it, for its record, see `viddiff.tree.provenance`; progress: called with the
    parts of the work that are done, and their number.
    """

    evaluation: Evaluation
    open_videos: OpenVideos
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    origin: Mapping[str, str | None] = field(default_factory=dict)
    progress: Callable[[int, int], None] = lambda done, total: None

    @contextmanager
    def recorded(self, name: str, second: Path | None = None) -> Iterator[list[Path]]:
        """Keep a record of the block's work, and yield a list for the files that it makes.

        second: the file of the mode's second checkpoint, if the work needs it.
        """
        origin = {**self.origin, **({} if second is None else {"second_checkpoint": str(second)})}
        with recorded(self.evaluation.directory, name, self.device, origin) as made:
            yield made
