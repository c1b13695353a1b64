"""Finished stages of what is under way, so that a job that is killed loses those of one network call at most.

    results/<run>/<checkpoint>/<mode>/samples/.partial/<name of the sample>/
        fingerprint.json       what the stages depend on: stages of anything else are refused
        stage_<number:04d>.npy

The same under `elbos/`. The folder goes when the whole is written.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from viddiff.errors import InputError
from viddiff.files.npy import open_npy
from viddiff.files.write import save_npy
from viddiff.tree.fingerprint import NAME, claim

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Partial:
    """The stages of one sample or ELBO; `fingerprint`: of the evaluation directory, see `viddiff.tree.fingerprint`."""

    folder: Path
    fingerprint: dict[str, Any]

    def keep(self, stage: int, made: np.ndarray) -> None:
        """Write the result of a stage, at once as a whole."""
        if not (self.folder / NAME).exists():
            claim(self.folder, self.fingerprint)
        save_npy(self._file(stage), made)

    def kept(self, dtypes: Mapping[int, np.dtype]) -> KeptStages:
        """The results that an earlier job left. dtypes: of all stages; each result is one value of it.

        Raises `InputError` if they depend on something else than this job, with what differs and the ways out. A
        damaged file is not used, with a warning.
        """
        if not (self.folder / NAME).exists():
            if next(self.folder.glob("stage_*"), None):
                self.discard()  # of a job that went on when another had finished
            return KeptStages(self, ())
        claim(self.folder, self.fingerprint)
        return KeptStages(self, [stage for stage, dtype in dtypes.items() if self._is_whole(stage, dtype)])

    def read(self, stage: int) -> np.ndarray:
        """The result of a stage."""
        return np.array(open_npy(self._file(stage)))

    def _is_whole(self, stage: int, dtype: np.dtype) -> bool:
        """Whether the result of a stage is there and of that type, by the file's header and length."""
        if not self._file(stage).exists():
            return False
        try:
            made = open_npy(self._file(stage))
            if made.dtype != dtype or made.shape != ():
                raise InputError(f"{self._file(stage)} holds {made.dtype} {made.shape}, must hold {dtype}")
        except InputError as error:
            log.warning("%s; stage %d is made again", error, stage)
            return False
        return True

    def discard(self) -> None:
        """Remove the stages: they are no longer needed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, stage: int) -> Path:
        return self.folder / f"stage_{stage:04d}.npy"


class KeptStages(Mapping[int, np.ndarray]):
    """The results of finished stages by their numbers, each read when it is asked for."""

    def __init__(self, partial: Partial, stages: Iterable[int]) -> None:
        self._partial, self._stages = partial, dict.fromkeys(stages)

    def __getitem__(self, stage: int) -> np.ndarray:
        if stage not in self._stages:
            raise KeyError(stage)
        return self._partial.read(stage)

    def __iter__(self) -> Iterator[int]:
        return iter(self._stages)

    def __len__(self) -> int:
        return len(self._stages)
