"""A tree of results as a notebook sees it: which evaluations are there, and their metrics in one table."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from viddiff.errors import InputError
from viddiff.report.comparison import comparison_table
from viddiff.tree.paths import RESULTS, Evaluation

_MARKS = ("fingerprint.json", "samples", "elbos", "metrics_*.json")


@dataclass(frozen=True)
class Results:
    """The tree of results in a folder, anywhere. Raises `InputError` if there is no such folder."""

    root: Path

    def __init__(self, root: str | os.PathLike[str] = RESULTS) -> None:
        object.__setattr__(self, "root", Path(root))
        if not self.root.is_dir():
            raise InputError(f"no folder {self.root}")

    def evaluations(self) -> list[Evaluation]:
        """The evaluation directories with a result or what it was made from, in the order of their paths."""
        found = {path.parent for mark in _MARKS for path in self.root.rglob(mark)}
        return [evaluation for folder in sorted(found) if (evaluation := self._evaluation(folder))]

    def table(self) -> pd.DataFrame:
        """A row for each metrics file, see `viddiff.report.comparison.comparison_table`.

        Raises `InputError` if there is none, or one cannot be read.
        """
        folders = [evaluation.directory for evaluation in self.evaluations()]
        metrics = [path for folder in folders for path in sorted(folder.glob("metrics_*.json"), key=_counts)]
        elbos = [path for folder in folders for path in sorted(folder.glob("elbos_*.json"), key=_counts)]
        if not metrics:
            raise InputError(f"{self.root} holds no metrics_<videos>-<samples>-<T>.json")
        return comparison_table(metrics, elbos, self.root)

    def _evaluation(self, folder: Path) -> Evaluation | None:
        try:
            return Evaluation.parse(folder, self.root)
        except InputError:  # some other folder
            return None


def _counts(path: Path) -> list[int]:
    """The numbers in a file's name, so that the file of the most videos comes last."""
    return [int(word) for word in path.stem.replace("_", "-").split("-") if word.isdecimal()]
