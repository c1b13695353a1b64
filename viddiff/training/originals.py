"""Going on with a training of the original: its `{model,ema_<rate>,opt}_<step>.pt` in a run's folder.

Its opt files hold AdamW's state alone, by the number of a parameter. With `use_fp16`, the state is that of one long
vector of all parameters in float32; the other files hold these by name as ever. `step` in a file counts as it does
there: the next update is number `step`, at the learning rate of that step, though the weights have had one more. Its
files stay as they are; a set `…_latest.pt` that would be replaced gets the names of its step first.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from viddiff.checkpoint import Checkpoint, load_checkpoint, load_tensors
from viddiff.errors import InputError
from viddiff.files.write import sha256_file
from viddiff.flat_config import DEFAULTS, with_defaults
from viddiff.training.changeable import changed_settings, recorded_changes
from viddiff.training.run_files import OriginalSet, set_path
from viddiff.training.run_state import (
    TrainingState,
    averages_of,
    check_rates,
    is_finite,
    other_settings,
    take_moments,
    take_over,
)

# Keys of the original's config that say how it was called, not what it trained.
_OF_THE_CALL = ("resume_checkpoint", "resume_id")
logger = logging.getLogger(__name__)


def continue_original(
    run_dir: Path, original: OriginalSet, state: TrainingState, config: dict[str, Any], last_step: int
) -> dict[str, tuple[Any, Any]]:
    """Set `state` to a set of the original's. Returns what has changed, and where the training came from."""
    model_file = original.files["model"]
    if original.step > last_step:
        logger.warning(
            "%s: is trained to step %d, beyond the %d asked for; nothing is done",
            run_dir,
            original.step,
            last_step,
        )
        state.step = original.step
        return {}
    model = load_checkpoint(model_file)
    before = _original_settings(model.config)
    if changed := changed_settings(before, config):
        raise other_settings(run_dir, changed)
    check_rates(model_file, before, state, original.files, original.step == last_step)
    moments = original_moments(original.files["opt"], model, dict(state.model.named_parameters()))
    saved = averages_of(state, model, original.files)
    if not is_finite([model.state_dict, moments["state"], *saved.values()]):
        raise InputError(
            f"{model_file}: it, its averages or moments are not finite; move it away, or name another run"
        )
    (group,) = state.optimizer.state_dict()["param_groups"]
    take_moments(state.optimizer, {"state": moments["state"], "param_groups": [group | moments["group"]]})
    take_over(state, model, saved)
    digest = sha256_file(model_file)
    if config["save_latest_only"]:
        _make_way(run_dir, original)
    logger.info("goes on with the original's training from %s, SHA-256 %s", model_file, digest)
    origin = {"origin": ("the original's program", f"viddiff, from {model_file.name} {digest}")}
    return origin | recorded_changes(before, config)


def _original_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """A full flat config for comparison with that of a run which goes on with the original's training."""
    settings = with_defaults(config) | {key: DEFAULTS[key] for key in _OF_THE_CALL}
    return settings | {"use_fp16": False, "precision": "float16"} if settings["use_fp16"] else settings


def original_moments(path: Path, model: Checkpoint, parameters: Mapping[str, nn.Parameter]) -> dict[str, Any]:
    """The content of the original's opt file as the state of an optimiser of `parameters`.

    model: the checkpoint of the same set, whose order of names is that of the file's numbers. Of the groups' settings,
    `betas` and `eps` alone are told. Raises `InputError` if the file holds something else, or other parameters.
    """
    content = load_tensors(path)
    try:
        (group,) = content["param_groups"]
        numbers, state = list(group["params"]), content["state"]
        told = {key: group[key] for key in ("betas", "eps")}
        shapes = {name: value.shape for name, value in model.state_dict.items()}
        if len(numbers) == 1 and len(shapes) > 1:
            moments = _taken_apart(state[numbers[0]], shapes)
        else:
            names = dict(zip(numbers, shapes, strict=True))
            moments = {names[number]: value for number, value in state.items()}
        numbered = {name: number for number, name in enumerate(parameters)}
        found = {numbered[name]: _checked(value, parameters[name].shape) for name, value in moments.items()}
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
        raise InputError(
            f"{path}: is not the state of AdamW for the {len(model.state_dict)} parameters of {model.path.name}, so "
            "training cannot go on from it; move it away to start anew, or name another run with start_from"
        ) from None
    return {"state": found, "group": told}


def _taken_apart(flat: Mapping[str, Any], shapes: Mapping[str, torch.Size]) -> dict[str, dict[str, Any]]:
    """The state of one vector as that of the parameters it is made of."""
    sizes = [shape.numel() for shape in shapes.values()]
    parts = {
        key: [part.view(shape) for part, shape in zip(flat[key].split(sizes), shapes.values(), strict=True)]
        for key in ("exp_avg", "exp_avg_sq")
    }
    return {
        name: {"step": flat["step"]} | {key: values[place] for key, values in parts.items()}
        for place, name in enumerate(shapes)
    }


def _checked(moments: Mapping[str, Any], shape: torch.Size) -> dict[str, Tensor]:
    averages = {key: moments[key].float() for key in ("exp_avg", "exp_avg_sq")}
    if any(value.shape != shape for value in averages.values()):
        raise ValueError("another shape")
    return {"step": torch.tensor(float(moments["step"]))} | averages


def _make_way(run_dir: Path, original: OriginalSet) -> None:
    """Give the original's `…_latest.pt` of a set the names of its step, where these are free.

    The opt file, which holds no step, first: killed in between, the set is still found.
    """
    for kind in sorted(original.files, key=lambda kind: kind != "opt"):
        numbered = set_path(run_dir, kind, original.step)
        if original.files[kind] != numbered:
            os.replace(original.files[kind], numbered)
