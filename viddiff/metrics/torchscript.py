"""Networks in TorchScript files. Such a file is a program: it is loaded only if the configuration names it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from viddiff.errors import InputError
from viddiff.files.archives import is_torchscript
from viddiff.precision import full_float32


@cache
def load_torchscript(path: Path, device: str) -> torch.jit.ScriptModule:
    """The network of a file on a device, read once per process. Raises `InputError` if it is none."""
    if not path.is_file():
        raise InputError(f"{path} is missing: a TorchScript file is needed")
    if not is_torchscript(path):
        raise InputError(f"{path} is no TorchScript file, as torch.jit.save makes it")
    try:
        return torch.jit.load(path, map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as TorchScript: {str(error).splitlines()[0]}") from error


@torch.no_grad()
def call_torchscript(
    name: object, network: torch.jit.ScriptModule, clips: Float[Tensor, "B ..."], **options: Any
) -> Float[Tensor, "B D"]:
    """The rows of clips, in full float32.

    Raises `InputError` that begins with the name if the network does not take them, or gives anything else.
    """
    try:
        with full_float32():
            rows = network(clips, **options)
    except (RuntimeError, torch.jit.Error) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise InputError(f"{name} does not take clips {list(clips.shape)}: {reason:.300}") from error
    if not isinstance(rows, Tensor):
        found = type(rows).__name__
    elif rows.ndim != 2 or len(rows) != len(clips) or rows.shape[1] == 0 or not rows.is_floating_point():
        found = f"{rows.dtype} {list(rows.shape)}".removeprefix("torch.")
    else:
        return rows
    raise InputError(f"{name} gives {found} of {len(clips)} clips, must give floats [{len(clips)}, D]")
