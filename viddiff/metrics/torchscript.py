"""Networks in TorchScript files. Such a file is a program: it is loaded only if the configuration names it."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path

import torch

from viddiff.errors import InputError


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive with code in it. Nothing of it is loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


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
