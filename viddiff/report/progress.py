"""How far an evaluation is: what its directory shows of its samples. Files are listed, not read."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from viddiff.errors import InputError
from viddiff.inference.modes import base_plan
from viddiff.report.rate import Trace
from viddiff.tree.paths import Evaluation, sample_of

_SAMPLE_FILE = re.compile(r"sample_.+\.npy")
_SAMPLE_FOLDER = re.compile(r"sample_.+")
_STAGE_FILE = re.compile(r"stage_[0-9]{4,}\.npy")
# Of a folder or a file that a job removed meanwhile; network file systems say the second.
_VANISHED = (errno.ENOENT, errno.ESTALE)

Pair = tuple[int, int]


@dataclass(frozen=True)
class Progress:
    """The samples of an evaluation, as (video, sample).

    wanted: how many there shall be, `None` if that is not known; trace: when those among them that are done, and the
    stages of those under way, were made.
    """

    evaluation: Evaluation
    wanted: int | None
    trace: Trace

    @property
    def work_done(self) -> int:
        """Stages that are done, of finished samples and of those under way."""
        return self.trace.stages * len(self.trace.finished) + self.stages_begun

    @property
    def stages_begun(self) -> int:
        """Stages that are done of samples under way."""
        return sum(map(len, self.trace.under_way))


def read_progress(evaluation: Evaluation, wanted: Collection[Pair] | None) -> Progress:
    """Read how far an evaluation is. wanted: the samples that count; `None` for all that are there.

    Raises `InputError` if the mode has no plan or a folder cannot be read.
    """
    stages = stages_of(evaluation)
    # First those under way: one that is finished meanwhile is then found as finished.
    folder = evaluation.partial(0, 0).parent
    begun = {
        pair: _times(folder / name, _STAGE_FILE)
        for name in _times(folder, _SAMPLE_FOLDER)
        if (pair := sample_of(name)) and (wanted is None or pair in wanted)
    }
    finished = {
        pair: time
        for name, time in _times(evaluation.sample(0, 0).parent, _SAMPLE_FILE).items()
        if (pair := sample_of(name.removesuffix(".npy"))) and (wanted is None or pair in wanted)
    }
    under_way = [
        tuple(sorted(times.values())) for pair, times in begun.items() if times and pair not in finished
    ]
    trace = Trace(stages, tuple(finished.values()), tuple(under_way))
    return Progress(evaluation, None if wanted is None else len(wanted), trace)


def stages_of(evaluation: Evaluation) -> int:
    """Stages of a sample, of an optimal mode without its schedule too; 1 for modes whose names lack numbers, as some
    of the original's do: no sample of these is made here.

    Raises `InputError` if the mode has no plan.
    """
    mode = evaluation.mode
    if None in (mode.max_frames, mode.step_size, mode.T, mode.obs_length):
        return 1
    return len(base_plan(mode).stages)


def _times(folder: Path, pattern: re.Pattern[str]) -> dict[str, float]:
    """Modification time by name of the folder's entries that match; nothing for what vanishes meanwhile."""
    times = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if pattern.fullmatch(entry.name) and (time := _time(entry)) is not None:
                    times[entry.name] = time
    except OSError as error:
        if error.errno not in _VANISHED:
            raise InputError(f"cannot read {folder}: {error.strerror}") from error
    return times


def _time(entry: os.DirEntry[str]) -> float | None:
    try:
        return entry.stat().st_mtime
    except OSError as error:
        if error.errno not in _VANISHED:
            raise
        return None
