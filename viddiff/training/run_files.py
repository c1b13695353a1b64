"""The files of a training run by their names, and what they tell without torch, so that planning can ask.

Each saved step is a set `{opt,model,ema_<rate>}_<step>.pt`, or `…_latest.pt`; a set that is being saved has names
of its own, `.next-<kind>.pt`. A training writes opt files with the hashes of their sets: files without one are
somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from viddiff.errors import InputError
from viddiff.files.plain_values import read_pickle, read_plain

LOG_COLUMNS = (
    "step",
    "loss",
    *(f"loss_q{quartile}" for quartile in range(4)),  # by quartile of the diffusion step, q0: least noise
    "latent_mse",
    "grad_norm",
    "lr",
    "seconds_per_step",
)
VALIDATION_COLUMNS = ("step", "loss", *(f"loss_q{quartile}" for quartile in range(4)), "rmse", "motion")
_NAME = re.compile(r"(?P<kind>opt|model|ema_[0-9][0-9.e-]*|power_[0-9.]+)_(?P<step>[0-9]+|latest)\.pt")


@dataclass(frozen=True)
class RunFile:
    """A file of a set.

    kind: `opt`, `model`, `ema_<rate>` or `power_<length>`; step: of its name, `None` for `latest`.
    """

    path: Path
    kind: str
    step: int | None


def run_files(run_dir: Path) -> list[RunFile]:
    """The files of all sets, this program's and others', sorted by name; without those being saved."""
    matches = [(path, _NAME.fullmatch(path.name)) for path in sorted(run_dir.glob("*.pt"))]
    return [
        RunFile(path, match["kind"], None if match["step"] == "latest" else int(match["step"]))
        for path, match in matches
        if match
    ]


def set_path(run_dir: Path, kind: str, step: int | None) -> Path:
    """A file of the set of a step; of the latest set for `None`."""
    return run_dir / f"{kind}_{'latest' if step is None else f'{step:06d}'}.pt"


def staged_path(run_dir: Path, kind: str) -> Path:
    """A file of the set that is being saved."""
    return run_dir / f".next-{kind}.pt"


def kept_steps(steps: Iterable[int], keep_last: int, keep_every: int) -> list[int]:
    """Of the steps of saved sets those that stay: the newest `keep_last`, and multiples of `keep_every`.

    With `keep_last` 0 all stay.
    """
    ordered = sorted(set(steps))
    newest = set(ordered[-keep_last:])
    return [step for step in ordered if step in newest or (keep_every and step % keep_every == 0)]


def has_begun(run_dir: Path) -> bool:
    """Whether a run has files of any set, one that is being saved too."""
    return bool(run_files(run_dir)) or staged_path(run_dir, "opt").exists()


@dataclass(frozen=True)
class OriginalSet:
    """A set of the original's, to go on from: its step, and files by kind."""

    step: int
    files: Mapping[str, Path]


def original_set(run_dir: Path) -> OriginalSet | None:
    """The original's newest set that has weights and moments, in a folder without files of this program.

    Its files have the names of their step or `latest`, and hold the step that their names say.
    """
    files = run_files(run_dir)
    opts = [file.path for file in files if file.kind == "opt"]
    if any(map(is_own, [*opts, staged_path(run_dir, "opt")])):
        return None
    models = [file for file in files if file.kind == "model"]
    steps = {file.step: step_inside(file.path) for file in models}
    found = [step for name, step in steps.items() if step is not None and name in (None, step)]
    for step in sorted(found, reverse=True):
        whole = {}
        for kind in {file.kind for file in files}:
            numbered, latest = set_path(run_dir, kind, step), set_path(run_dir, kind, None)
            # An opt file tells no step: the latest one is that of the latest weights.
            inside = steps.get(None) if kind == "opt" else step_inside(latest) if latest.is_file() else None
            if numbered.is_file() and (kind == "opt" or step_inside(numbered) == step):
                whole[kind] = numbered
            elif latest.is_file() and inside == step:
                whole[kind] = latest
        if {"opt", "model"} <= whole.keys():
            return OriginalSet(step, whole)
    return None


def step_inside(path: Path) -> int | None:
    """The step that a model or EMA file holds; `None` if it is damaged, or tells none."""
    try:
        content = read_plain(path)
    except InputError:
        return None
    step = content.get("step") if isinstance(content, dict) else None
    return step if type(step) is int else None


def is_own(opt_path: Path) -> bool:
    """Whether an opt file is of this program: it tells the seed, and the hashes of its set."""
    try:
        pickled = read_pickle(
            opt_path
        )  # searched, not followed, which takes four times as long; a run has many
    except InputError:
        return False
    return b"sha256" in pickled and b"seed" in pickled


def trained_step(run_dir: Path, rates: Iterable[float]) -> int:
    """The newest step of which all averages are there, under any name; 0 if there is none."""
    files = run_files(run_dir)
    steps = [
        {
            step_inside(file.path) if file.step is None else file.step
            for file in files
            if file.kind == f"ema_{rate}"
        }
        for rate in rates
    ]
    known = [there for there in steps if there] or steps[:1]  # one that is new has no files yet
    return max((step for step in set.intersection(*known) if step is not None), default=0)


def is_trained(run_dir: Path, rates: Sequence[float], steps: int, latest: bool) -> bool:
    """Whether training to `steps` has nothing left to do, as the steps of the files tell; false while a set is saved.

    latest: whether it ends with `_latest` files.
    """
    if staged_path(run_dir, "opt").exists():
        return False
    ends = [set_path(run_dir, f"ema_{rate}", None if latest else steps) for rate in rates]
    there = all(path.is_file() and (not latest or (step_inside(path) or 0) >= steps) for path in ends)
    return there or trained_step(run_dir, rates) > steps


def check_resumable(run_dir: Path, steps: int, latest: bool) -> None:
    """Raise `InputError` if training to `steps` would overwrite files that no training of this program wrote.

    latest: whether it writes `_latest` files. Judged by names and opt files; the training itself compares the hashes.
    """
    files = run_files(run_dir)
    own = {file.step for file in files if file.kind == "opt" and is_own(file.path)}
    staged = is_own(staged_path(run_dir, "opt"))
    newest = max((step for step in own if step is not None), default=0)
    original = original_set(run_dir)
    taken = set(original.files.values()) if original else set()
    if original:
        newest = original.step
    for file in files:
        if original and (file.path in taken or (file.step is not None and file.step <= newest)):
            continue
        # The opt file of a latest set, or of one that is being saved, may be that of files of any step.
        in_the_way = latest if file.step is None else not latest and newest < file.step <= steps
        if not (own or staged or original) or (in_the_way and not (None in own or staged)):
            raise foreign(file.path)
    for name, columns in (("log.csv", LOG_COLUMNS), ("validation.csv", VALIDATION_COLUMNS)):
        log = run_dir / name
        if log.is_file() and not _is_log(log, columns):
            raise InputError(f"{log}: no training of viddiff wrote it; move it away or name another run")


def foreign(path: Path) -> InputError:
    """One line that refuses to train over a file."""
    return InputError(
        f"{path}: training would overwrite it, and there is no opt file of viddiff (with seed and hashes) that it "
        "belongs to; move it away or name another run"
    )


def _is_log(path: Path, columns: Sequence[str]) -> bool:
    """Whether a log has the header of a training's, or is empty."""
    with open(path, "rb") as file:
        first = file.readline(1000).strip()
    return first in (b"", ",".join(columns).encode())
