"""Whoever watches a training: is told how it goes, and may look at its state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from viddiff.training.run_state import TrainingState
from viddiff.window import Window

Findings = Mapping[str, float | Path]
"""What was seen, by name: figures, and files of pictures or videos."""


class Watch:
    """Watches a training; this one does nothing. What a training makes is the same whoever watches it."""

    def begins(self, state: TrainingState) -> None:
        """The first training step of this job is next."""

    def loads(self, state: TrainingState, window: Window) -> None:
        """A batch is about to be trained on."""

    def logs(self, row: Mapping[str, float]) -> None:
        """A row of the log."""

    def steps(self, state: TrainingState, saved: bool) -> Findings:
        """A training step is made; saved: whether the state was written too. Returns what was found, for logs.

        It is not asked after the step at which a training is told to stop.
        """
        return {}
