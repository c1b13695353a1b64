"""What is known of an evaluation's checkpoint while the workflow plans, whether or not it is there yet."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from viddiff.diffusion.respacing import diffusion_steps
from viddiff.errors import InputError, reading
from viddiff.files.json_files import read_json
from viddiff.files.plain_values import read_plain
from viddiff.flat_config import with_defaults
from viddiff.tree.paths import Evaluation
from viddiff.workflow.sections import Configuration


def dataset_of(config: Configuration, evaluation: Evaluation) -> str | None:
    """The dataset of an evaluation: the mode's own, that of the configured training, or the checkpoint's.

    `None` if there is no checkpoint yet, or none that can be read without torch.
    """
    training = config.training.get(evaluation.run)
    if evaluation.mode.dataset or training:
        return evaluation.mode.dataset or (training.dataset if training else None)
    model = model_settings(config, evaluation)
    return str(model["dataset"]) if model and model["dataset"] else None


def model_settings(config: Configuration, evaluation: Evaluation) -> Mapping[str, Any] | None:
    """The full flat config of an evaluation's checkpoint, or what it will be.

    Read from the checkpoint. If it is not there: from the configured training, or what a job left in the directory of
    any of its modes. `None` if nothing tells.
    """
    with suppress(OSError):
        return settings_in(evaluation.checkpoint_file())
    if training := config.training.get(evaluation.run):
        return with_defaults(training.settings)
    for path in sorted(evaluation.directory.parent.glob("*/model_config.json")):
        with suppress(InputError), reading(path, "the settings of a checkpoint"):
            return with_defaults(read_json(path))
    return None


def settings_in(checkpoint: Path) -> Mapping[str, Any] | None:
    """The full flat config in a checkpoint; `None` if it cannot be read without torch. Raises `OSError`: not there."""
    file = checkpoint.resolve()
    return _settings_in(file, file.stat().st_mtime_ns)


@cache  # thousands of jobs ask, for a few checkpoints
def _settings_in(checkpoint: Path, mtime: int) -> Mapping[str, Any] | None:
    with suppress(InputError, KeyError, TypeError, IndexError):  # the job says what is wrong with it
        return with_defaults(read_plain(checkpoint)["config"])
    return None


def diffusion_steps_of(config: Configuration, evaluation: Evaluation) -> int | None:
    """The noise levels of an evaluation, if its name or its checkpoint's settings tell them."""
    model = model_settings(config, evaluation)
    spec = evaluation.checkpoint.respacing or (
        model and (model["timestep_respacing"] or model["diffusion_steps"])
    )
    return diffusion_steps(str(spec)) if spec else None
