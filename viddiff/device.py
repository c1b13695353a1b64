"""Where networks run."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from viddiff.errors import InputError

_PROCESSOR = Path("/proc/cpuinfo")


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


def has_tf32(device: str | torch.device) -> bool:
    """Whether a device multiplies numbers that are rounded to TF32: GPUs of NVIDIA from Ampere on."""
    if torch.device(device).type != "cuda" or torch.version.hip is not None:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def has_bfloat16(device: str | torch.device) -> bool:
    """Whether a device has instructions for bfloat16; without, it computes in it many times slower than in float32.

    What a processor has is known under Linux only; elsewhere it is taken to have them.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    try:
        return re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", _PROCESSOR.read_text()) is not None
    except OSError:
        return True


def device_name(device: str | torch.device) -> str:
    """The GPU's name, or the number of the processor's threads in use."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.device(device).type} ({torch.get_num_threads()} x)"
