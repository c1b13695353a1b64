"""How long sampling took: each job leaves a record, and estimates of later jobs' time read them.

results/<run>/<checkpoint>/<mode>/timings/samples_<first video:04d>-<sample>-<any>.json
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from viddiff.errors import InputError, reading
from viddiff.files.json_files import number, read_json, short_text, whole_number
from viddiff.files.write import write_json
from viddiff.inference.second import SecondCheckpoint
from viddiff.tree.paths import Evaluation

MOST_RECORDS = 20
"""Of an evaluation that an estimate reads: a cost card has them as its inputs, and more make planning slow."""


@dataclass(frozen=True)
class Timing:
    """One job's time.

    device: its name, and how the network computed if not in float32, as it is; window_evaluations: network
    evaluations, counted per window (a call with a batch of 8 windows is 8); seconds: what they took in all, wall time;
    max_frames: places of a window; image_size: pixels of a side.

    Raises `InputError` for counts below 1 or a time that is not positive.
    """

    device: str
    window_evaluations: int
    seconds: float
    max_frames: int
    image_size: int

    def __post_init__(self) -> None:
        for name in ("window_evaluations", "max_frames", "image_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, must be 1 or more")
        if not 0 < self.seconds < float("inf"):
            raise InputError(f"seconds is {self.seconds}, must be a number above 0")

    @property
    def seconds_per_evaluation(self) -> float:
        """Of one window."""
        return self.seconds / self.window_evaluations


def record_timing(evaluation: Evaluation, video: int, sample: int, timing: Timing) -> Path:
    """Write the record of a job that began with this video and sample. No record replaces another."""
    name = f"samples_{video:04d}-{sample}-{uuid.uuid4().hex[:8]}.json"
    path = evaluation.directory / "timings" / name
    write_json(path, asdict(timing))
    return path


def timing_files(evaluation: Evaluation) -> list[Path]:
    """Records that say how long a window of this evaluation takes, those of other modes and checkpoints too.

    They are of the same run, so of the same network, and of modes with equal `max_frames`, the same use of gradients
    and the same second checkpoint. At most `MOST_RECORDS` of each evaluation, evenly spread over its jobs. How many
    frames of a window are observed is not looked at, though none takes up to 1.4 times as long as half of them.
    """
    wanted = _kind(evaluation)
    return [
        path
        for folder in sorted((evaluation.root / evaluation.run).glob("*/*/timings"))
        if _kind_of(folder.parent, evaluation.root) == wanted
        for path in _spread(sorted(folder.glob("samples_*.json")))
    ]


def _spread(files: Sequence[Path]) -> Sequence[Path]:
    return files[:: math.ceil(len(files) / MOST_RECORDS) or 1]


def read_timings(paths: Iterable[Path]) -> dict[Path, Timing]:
    """Read records. Raises `InputError` naming the file that is none."""
    return {path: _read(path) for path in paths}


def _read(path: Path) -> Timing:
    with reading(path, f"a timing with {', '.join(field.name for field in fields(Timing))}"):
        content = read_json(path)
        return Timing(
            short_text(content["device"]),
            whole_number(content["window_evaluations"]),
            number(content["seconds"]),
            whole_number(content["max_frames"]),
            whole_number(content["image_size"]),
        )


def _kind(evaluation: Evaluation) -> tuple[int | None, bool, SecondCheckpoint | None]:
    mode = evaluation.mode
    return mode.max_frames, mode.gradient_method, mode.recipe.second


def _kind_of(directory: Path, root: Path) -> tuple[int | None, bool, SecondCheckpoint | None] | None:
    try:
        return _kind(Evaluation.parse(directory, root))
    except InputError:  # some other folder
        return None
