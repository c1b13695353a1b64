"""What can be known to fail in a training before it begins: found while the workflow plans, without torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from viddiff.dataset_settings import height_width, plain_size
from viddiff.diffusion.settings import check_diffusion
from viddiff.errors import InputError, missing_file
from viddiff.model.settings import check_network
from viddiff.model.sizes import frame_size
from viddiff.training.changeable import changed_settings
from viddiff.training.config import TrainingConfig, training_config
from viddiff.training.run_files import has_begun, is_own, run_files, set_path, step_inside
from viddiff.training.start_settings import check_start
from viddiff.tree.datasets import FOLDER
from viddiff.tree.paths import CHECKPOINTS, Evaluation
from viddiff.workflow.checkpoints import settings_in
from viddiff.workflow.datasets import Datasets, Split
from viddiff.workflow.permissions import check_writable
from viddiff.workflow.preflight import training_rules
from viddiff.workflow.sections import Configuration
from viddiff.workflow.trainings import check_training, is_to_be_trained, run_is_trained, trained_before


def check_settings(run: str, settings: Mapping[str, Any]) -> TrainingConfig:
    """The settings of a run. Raises `InputError` for a key that is unknown, or values that do not go together."""
    try:
        config = training_config(settings)
        flat = config.to_flat()
        check_network(flat)
        check_diffusion(flat)
    except InputError as error:
        raise InputError(_with_run(run, str(error))) from None
    return config


def check_trainable(config: Configuration, run: str, datasets: Datasets, here: bool = True) -> None:
    """Check that a configured run can be trained, as far as it is known without reading videos.

    here: whether its job runs on this machine.

    Raises `InputError`: its settings are wrong, it needs several machines, its dataset is unknown, not there, or of
    another size, training videos are broken or shorter than T, its folder has files that are not its own, or of other
    settings, the file that it starts from is not there or of another network, or checkpoints cannot be written.
    """
    settings = check_settings(run, config.training[run].settings)
    if here and settings.nodes > 1:
        raise InputError(
            f"config key training.{run}.nodes is {settings.nodes}; must be 1 without --profile slurm: all jobs run on "
            "this machine"
        )
    try:
        split = datasets.split(settings.dataset, "train")
        split.check(settings.T)
    except InputError as error:
        raise InputError(f"config key training.{run}: {error}") from None
    if settings.decode_once:
        _check_decodable(config, run, split)
    size, frames = frame_size(settings.to_flat()), datasets.fact(settings.dataset, "image_size")
    if frames is not None and size != height_width(frames):
        raise InputError(
            f"config key training.{run}.image_size is {plain_size(size)}; frames of dataset {settings.dataset} have "
            f"{frames}"
        )
    check_training(config, run)
    _check_unchanged(run, settings.to_flat())
    _check_start(config, run, settings)
    check_writable(f"{CHECKPOINTS}/{run}")


def check_targets(config: Configuration, targets: Iterable[str]) -> None:
    """Raise `InputError` for a target that is a checkpoint: trainings make these, no rule has them as outputs."""
    for target in targets:
        if target.startswith(f"{CHECKPOINTS}/"):
            run = Path(target).parent.relative_to(CHECKPOINTS).as_posix()
            rules = [rule for rule, trained in training_rules(config.training).items() if trained == run]
            raise InputError(
                f"{target} is no target: "
                + (f"{rules[0]} trains that run" if rules else f"the configuration has no training {run}")
            )


def runs_to_train(
    config: Configuration, arguments: Sequence[str], evaluations: Iterable[Evaluation]
) -> list[str]:
    """The configured runs that are not trained to their end, and that a command line or an evaluation needs.

    Those that others start from are among them.
    """
    rules = training_rules(config.training)
    named = {run for rule, run in rules.items() if rule in arguments or "train" in arguments}
    named |= {evaluation.run for evaluation in evaluations if is_to_be_trained(config, evaluation)}
    runs = {run for run in named if run in config.training and not run_is_trained(config, run)}
    while before := set(filter(None, (trained_before(config, run) for run in runs))) - runs:
        runs |= before
    return [run for run in config.training if run in runs]


def checked_file(config: Configuration, run: str) -> str:
    """The file that says that the data of a run were checked."""
    training = config.training[run]
    return f"{FOLDER}/{training.dataset}/train_{training.T}.checked"


def decoded_file(config: Configuration, run: str, checked: bool) -> str | None:
    """The file that says that the training videos of a run were decoded; `None` if none is to be made.

    checked: whether a check is to come first, which may find others.
    """
    training = config.training[run]
    file = f"{FOLDER}/{training.dataset}/train.decoded"
    there = os.path.exists(file) and Path(config.decoded, training.dataset, "train").is_dir()
    return file if training.settings.get("decode_once") and (checked or not there) else None


def disk_of_arrays(config: Configuration, run: str, datasets: Datasets) -> str:
    """A line on the disk that arrays of a run's training videos take, all of them, as far as it is known."""
    name = config.training[run].dataset
    record, size = datasets.split(name, "train").record, datasets.fact(name, "image_size")
    text = f"training videos of {name} are decoded into {config.decoded}"
    if record is None or size is None:
        return f"{text}; how much disk they take is known when they are checked, and stands in the job's log"
    height, width = height_width(size)
    needed = 3 * height * width * sum(video.frames for video in record.videos)
    return f"{text}: {needed / 1e9:.3g} GB"


def _check_unchanged(run: str, flat: Mapping[str, Any]) -> None:
    """Raise `InputError` if a run would go on from a set of other settings. What cannot be read is left to the job."""
    run_dir = Path(CHECKPOINTS, run)
    opts = [file for file in run_files(run_dir) if file.kind == "opt" and is_own(file.path)]
    models = [set_path(run_dir, "model", file.step) for file in opts]
    newest = max(filter(Path.is_file, models), key=lambda model: step_inside(model) or 0, default=None)
    saved = None if newest is None else settings_in(newest)
    if saved and (changed := changed_settings(saved, flat)):
        raise InputError(
            f"config key training.{run}: {run_dir} was trained with other settings: {changed}; put them back or "
            "name another run, which start_from can begin with these weights"
        )


def _check_decodable(config: Configuration, run: str, split: Split) -> None:
    if not split.has_files:
        raise InputError(
            f"config key training.{run}.decode_once is true; videos of {split.name} are in memory as they are"
        )
    check_writable(config.decoded)


def _check_start(config: Configuration, run: str, settings: TrainingConfig) -> None:
    """Raise `InputError` if a run that has not begun cannot start from the file it names, as far as is known."""
    chain = [run]
    while before := trained_before(config, chain[-1]):
        if before in chain:
            way = " -> ".join((*chain, before))
            raise InputError(f"config key training.{run}.start_from: runs would wait for each other: {way}")
        chain.append(before)
    if not settings.start_from or has_begun(Path(CHECKPOINTS, run)) or len(chain) > 1:
        return
    path = Path(settings.start_from)
    try:
        if not path.is_file():
            raise missing_file("checkpoint", path)
        if saved := settings_in(path):
            check_start(path, saved, settings.to_flat())
    except InputError as error:
        raise InputError(f"config key training.{run}.start_from: {error}") from None


def _with_run(run: str, message: str) -> str:
    """A message that begins with the key of a run."""
    named = re.match("(?:config|training) key '?([A-Za-z_]+)'?", message)
    return f"config key training.{run}" + (
        f".{named[1]}{message[named.end() :]}" if named else f": {message}"
    )
