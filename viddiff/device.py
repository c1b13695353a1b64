"""Where networks run."""

from __future__ import annotations

import torch

from viddiff.errors import InputError


def find_device(wanted: str | torch.device) -> torch.device:
    """The device of that name: one of PyTorch's, or `auto`, a GPU if there is one, else the CPU.

    Raises `InputError` for another name, or for a GPU where there is none.
    """
    found = torch.cuda.is_available()
    if wanted == "auto":
        return torch.device("cuda" if found else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise InputError(f"device is {wanted!r:.60}, must be auto, cpu, cuda or cuda:<number>") from None
    if device.type == "cuda" and not found:
        raise InputError(
            f"device is {wanted}, but PyTorch finds no GPU here; with auto the job would run on the CPU"
        )
    return device


def device_name(device: str | torch.device) -> str:
    """The GPU's name, or the number of the processor's threads in use."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.device(device).type} ({torch.get_num_threads()} x)"
