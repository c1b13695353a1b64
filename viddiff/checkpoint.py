"""Checkpoint files: `{model,ema_<rate>}_{<step>,latest}.pt`, dicts of `state_dict`, `config` and `step`.

`config` is the flat dict of all settings of the training run. Files of two programs are read: the original's,
whose layout we also write, and its published refactoring's ("refactored"), whose network differs slightly and whose
`model` files are named `model<step>.pt`.
A file that holds anything but tensors and plain values is refused, since unpickling can run code.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viddiff.errors import InputError, missing_file
from viddiff.files.nested import nested_parts
from viddiff.files.torch_files import load_torch

# What torch puts into the names of parameters where it wraps a network, for several devices or for its compiler.
_WRAPPERS = frozenset({"module", "_orig_mod"})
_PLAIN = (str, int, float, bool, type(None), list, tuple, dict)
MOST_SETTINGS = 10_000  # values in a config
LONGEST_SETTING = 100_000  # characters
MOST_STEPS = 10**12

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds. `config` is as in the file: keys may be missing or unknown."""

    path: Path
    state_dict: dict[str, Tensor]
    config: dict[str, Any]
    step: int


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a model or EMA checkpoint onto the CPU.

    Raises `InputError` if the file is absent, cut off, not a checkpoint, or holds more than tensors and plain
    values.
    """
    path = Path(path)
    return _checked(path, load_tensors(path))


def checkpoint_dict(state_dict: Mapping[str, Tensor], config: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The content of a checkpoint file."""
    weights = {name: value.detach().cpu().contiguous() for name, value in state_dict.items()}
    return {"state_dict": weights, "config": dict(config), "step": int(step)}


def encode(content: dict[str, Any]) -> bytes:
    """The bytes of a checkpoint file; equal content gives equal bytes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def load_tensors(path: Path, mmap: bool = False) -> dict[str, Any]:
    """A dict of tensors and plain values from a file of `torch.save`. Raises `InputError` for anything else.

    mmap: read tensors only when they are used.
    """
    if not path.is_file():
        raise missing_file("checkpoint", path)
    content = load_torch(path, mmap=mmap)
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a checkpoint: holds a {type(content).__name__}, must hold a dict")
    return content


def _checked(path: Path, content: dict[str, Any]) -> Checkpoint:
    missing = [key for key in ("state_dict", "config", "step") if key not in content]
    if missing:
        raise InputError(
            f"{path}: lacks {', '.join(missing)}; a checkpoint holds state_dict, config and step, this file "
            f"{_keys(content)}"
        )
    weights, config, step = content["state_dict"], content["config"], content["step"]
    if not isinstance(config, dict):
        raise InputError(f"{path}: config is a {type(config).__name__}, must be a dict")
    _check_plain(path, config)
    if isinstance(step, bool) or not isinstance(step, int):
        raise InputError(f"{path}: step is {step!r:.60}, must be an integer")
    if not 0 <= step < MOST_STEPS:
        raise InputError(f"{path}: step is out of range, must be 0 at least and below {MOST_STEPS}")
    return Checkpoint(path, _parameters(path, weights), dict(config), step)


def _parameters(path: Path, weights: Any) -> dict[str, Tensor]:
    """The parameters by the network's own names. Raises `InputError` for anything but tensors of real numbers."""
    if not isinstance(weights, dict):
        raise InputError(f"{path}: state_dict is a {type(weights).__name__}, must be a dict of tensors")
    parameters: dict[str, Tensor] = {}
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise InputError(
                f"{path}: state_dict holds {name!r:.100}, a {type(value).__name__}; must hold tensors by name"
            )
        if not value.is_floating_point():
            raise InputError(
                f"{path}: state_dict holds {name!r:.100} of {value.dtype}, must hold real numbers alone: these "
                "networks have no buffers; take it out"
            )
        own = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
        if own in parameters:
            raise InputError(f"{path}: state_dict holds {own!r:.100} twice, also as {name!r:.100}")
        parameters[own] = value
    if parameters.keys() != weights.keys():
        log.info("%s: names of parameters are read without %s", path, " and ".join(sorted(_WRAPPERS)))
    return parameters


def _keys(content: Mapping[Any, Any]) -> str:
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return "holds bare weights, without the settings of their training"
    shown = ", ".join(f"{key!r:.40}" for key in list(content)[:5])
    return f"{shown}{', …' if len(content) > 5 else ''}" if content else "nothing"


def _check_plain(path: Path, config: dict[Any, Any]) -> None:
    """Raise `InputError` unless a config is what its JSON file can hold: texts, numbers, lists and dicts of them."""
    try:
        for part in nested_parts(config, most=MOST_SETTINGS):
            if isinstance(part, str) and len(part) > LONGEST_SETTING:
                raise ValueError(f"holds a text of {len(part)} characters")
            if isinstance(part, dict) and not all(isinstance(key, str) for key in part):
                raise ValueError("holds a key that is not a text")
            if not isinstance(part, _PLAIN) or (isinstance(part, int) and abs(part) >= 2**63):
                raise ValueError(
                    f"holds {part!r:.60}, must hold texts, numbers, and lists and dicts of these"
                )
    except ValueError as error:
        raise InputError(f"{path}: config {error}") from None
