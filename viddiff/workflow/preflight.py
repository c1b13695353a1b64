"""What can be known to fail before the first job starts: found while the workflow plans, in milliseconds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from itertools import chain
from pathlib import Path

from viddiff.errors import InputError, OutputError, missing_file
from viddiff.files.archives import check_whole
from viddiff.files.json_files import read_json
from viddiff.files.plain_values import read_plain
from viddiff.inference.modes import make_plan
from viddiff.tree.fingerprint import check_claim
from viddiff.tree.paths import Evaluation, check_run
from viddiff.tree.schedules import plan_in, schedule_file, searches_of
from viddiff.workflow.sections import Configuration, Metrics
from viddiff.workflow.targets import Cell
from viddiff.workflow.trainings import beyond_the_end, is_to_be_trained, trained_files

MADE_DATASET = "bouncy_balls"  # the one that a rule makes, as its key of the configuration says


def dataset_of(config: Configuration, evaluation: Evaluation) -> str | None:
    """The dataset of an evaluation: the mode's own, that of the configured training, or the checkpoint's.

    `None` if there is no checkpoint yet, or none that can be read without torch.
    """
    training = config.training.get(evaluation.run)
    if evaluation.mode.dataset or training:
        return evaluation.mode.dataset or (training.dataset if training else None)
    try:
        file = evaluation.checkpoint_file().resolve()
        return _dataset_in(file, file.stat().st_mtime_ns)
    except OSError:
        return None


@cache  # thousands of jobs ask, for a few checkpoints
def _dataset_in(checkpoint: Path, mtime: int) -> str | None:
    """The dataset that a checkpoint was trained on."""
    try:
        name = read_plain(checkpoint)["config"]["dataset"]
    except (InputError, KeyError, TypeError, IndexError):
        return None  # the job says what is wrong with it
    return name if isinstance(name, str) else None


def used_datasets(config: Configuration, grid: Iterable[Cell]) -> list[tuple[str, str]]:
    """(dataset, split) of the configured training runs and of the grid, as far as the configuration tells."""
    used = {(training.dataset, "train") for training in config.training.values()}
    for cell in grid:
        mode, dataset = cell.evaluation.mode, dataset_of(config, cell.evaluation)
        if dataset is not None:
            used.add((dataset, mode.split))
            if mode.optimal is not None:
                used.add((dataset, "train"))  # for the search
    return sorted(used)


def training_rules(training: Iterable[str]) -> dict[str, str]:
    """The configured runs by the names of their rules.

    Raises `InputError` for a wrong name, or if two would share a rule.
    """
    rules: dict[str, str] = {}
    for run in training:
        check_run(run)
        rule = "train_" + run.replace("/", "_")
        if rule in rules:
            raise InputError(
                f"config key training: {rules[rule]} and {run} would both be called {rule}; rename one"
            )
        rules[rule] = run
    return rules


def check_sampling(config: Configuration, evaluation: Evaluation, videos: int) -> None:
    """Check that `videos` videos of an evaluation can be sampled, as far as the configuration tells.

    Raises `InputError`: the mode has no plan, or another one than that of the samples that exist, its optimal schedule
    is wrong or cannot be searched, its videos are longer than the dataset's, the test set is too small, the checkpoint
    is cut off, or there is none and no training that would make it, or samples cannot be written.
    """
    mode = evaluation.mode
    if mode.optimal is None or schedule_file(evaluation).is_file():
        check_claim(evaluation.directory, {"plan_sha256": plan_in(evaluation).sha256})
    else:
        searches_of(evaluation)
    dataset = dataset_of(config, evaluation)
    length, count = _size_of(config, dataset, mode.split)
    T = mode.given("T")
    if length is not None and length < T:
        raise InputError(f"mode {str(mode)!r}: T is {T}, but videos of {dataset} have {length} frames")
    if count is not None and count < videos:
        raise InputError(
            f"{evaluation.directory}: video {videos - 1} is asked for, but {dataset} has {count}, from 0"
        )
    checkpoint = evaluation.checkpoint_file()
    if checkpoint.is_file():
        check_whole(checkpoint)
    elif not is_to_be_trained(config, evaluation):
        if evaluation.run not in config.training:
            raise missing_file("checkpoint", checkpoint)
        makes = (
            f"the configured training of this run makes {', '.join(trained_files(config, evaluation.run))}"
        )
        raise InputError(f"no checkpoint {checkpoint}; {beyond_the_end(config, evaluation.run) or makes}")
    check_writable(evaluation.directory / "samples")


def check_measured(wanted: Metrics, path: Path) -> None:
    """Check that an existing metrics file, `.json`, holds what the configuration asks for.

    Raises `InputError` if a metric is missing, or SSIM has another range; the file is never made anew by itself. A file
    that cannot be read is left to those who read it.
    """
    try:
        held = read_json(path)["metrics"]
        data_range = held["ssim"]["protocol"]["data_range"] if "ssim" in held else None
    except (OSError, ValueError, KeyError, TypeError):
        return
    way_out = f"remove {path.with_suffix('')}.* to have them measured anew"
    if lacking := [name for name in wanted.names if name not in held]:
        raise InputError(f"{path} lacks {', '.join(lacking)}, which metrics.names asks for; {way_out}")
    if "ssim" in wanted.names and data_range != wanted.ssim_data_range:
        raise InputError(
            f"{path} was measured with ssim_data_range {data_range:g}, the configuration says "
            f"{wanted.ssim_data_range:g}; {way_out}"
        )


def check_writable(folder: str | Path) -> None:
    """Raise `OutputError` if no file can be written in a folder, which need not exist."""
    place = Path(folder)
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise OutputError(f"cannot write in {folder}: {place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write in {folder}: no permission to write in {place}, which belongs to {_owner(place)}"
        )


def check_records(folder: str | Path = ".snakemake") -> None:
    """Raise `OutputError` if Snakemake cannot use its records of the working directory: they are another user's.

    It lets nobody but their owner read them, even where the folder is shared.
    """
    place = Path(folder)
    if not place.is_dir():
        check_writable(place)
    parts = [
        part for part in (place, place / "metadata", place / "incomplete", place / "locks") if part.is_dir()
    ]
    for path in chain(parts, *(part.iterdir() for part in parts)):
        if not os.access(path, os.R_OK | os.W_OK) and os.path.lexists(path):  # a lock may have vanished
            owner = _owner(path)
            raise OutputError(
                f"no permission to read and write {path}, which belongs to {owner}: work in a folder of your own, or "
                f"have {owner} call `chmod -R g+rwX {folder}` after each of theirs (docs/snakemake.md, two users)"
            )


def _owner(path: Path) -> str:
    """The name of a file's owner, the number of one who has none."""
    try:
        return path.owner()
    except (KeyError, OSError):
        return f"user {path.lstat().st_uid}"


def plan_is_outdated(evaluation: Evaluation) -> bool:
    """Whether `plan.json` exists and is no longer the mode's plan, because a user's mode was defined anew."""
    path, mode = evaluation.directory / "plan.json", evaluation.mode
    if mode.optimal is not None or not path.is_file():
        return False
    try:
        return path.read_bytes() != make_plan(mode).to_json().encode()
    except InputError:
        return True  # the job that makes it says what is wrong


def _size_of(config: Configuration, dataset: str | None, split: str) -> tuple[int | None, int | None]:
    """Frames of a video and number of videos, as far as the configuration tells."""
    if dataset == MADE_DATASET:
        return config.bouncy_balls.length, config.bouncy_balls.videos(split)
    settings = config.datasets.get(dataset) if dataset else None
    return settings.length if settings else None, None
