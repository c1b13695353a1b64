"""Numeric precision of network evaluations: float32, or products of rounded numbers, which GPUs compute faster.

| precision | convolutions and matrix products | everything else |
| --- | --- | --- |
| `float32` | of float32 | float32 |
| `tf32` | of numbers rounded to 10 bits of mantissa (GPUs of NVIDIA from Ampere on), added in float32 | float32 |
| `bfloat16` | of numbers rounded to 7 bits of mantissa, added in float32 | as PyTorch's autocast has it |
| `float16`, in training alone | of numbers rounded to 10 bits of mantissa, up to 65504 | as PyTorch's autocast has it |

PyTorch keeps the choice for the whole process, so threads that compute in different precisions would disturb each
other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import torch

from viddiff.device import device_name, has_bfloat16, has_tf32
from viddiff.errors import InputError

T = TypeVar("T")

log = logging.getLogger(__name__)

PRECISIONS = ("auto", "float32", "tf32", "bfloat16")
IN_TRAINING = (*PRECISIONS, "float16")
_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def find_precision(wanted: str, device: str | torch.device, known: Sequence[str] = PRECISIONS) -> str:
    """The precision of that name on a device; `auto`: tf32 where there is such, else float32.

    known: names that may be. Raises `InputError` for another name, or if the device cannot have it.
    """
    if wanted not in known:
        raise InputError(f"precision is {wanted!r:.60}, must be one of {', '.join(known)}")
    if wanted == "auto":
        return "tf32" if has_tf32(device) else "float32"
    if reason := lack_of(wanted, device):
        allowed = ", ".join(name for name in known if not lack_of(name, device))
        raise InputError(f"precision is {wanted}, but {reason}; allowed here: {allowed}")
    return wanted


def lack_of(precision: str, device: str | torch.device) -> str:
    """Why a device cannot have a precision; "" if it can."""
    if precision != "tf32" or has_tf32(device):
        return ""
    return f"{device_name(device)} has no TF32, which GPUs of NVIDIA have from Ampere on"


def tell_precision(wanted: str, precision: str, device: str | torch.device) -> None:
    """Log what `auto` became, and why; warn of bfloat16 on a device without instructions for it."""
    name = device_name(device)
    if wanted == "auto":
        log.info("precision: %s, as %s %s TF32", precision, name, "has" if has_tf32(device) else "has no")
    if precision == "bfloat16" and not has_bfloat16(device):
        log.warning(
            "precision: bfloat16, for which %s has no instructions: float32 is many times faster", name
        )
    if precision == "float16" and torch.device(device).type == "cpu":
        log.warning("precision: float16, which is for GPUs: on %s float32 is faster", name)


def full_float32() -> AbstractContextManager[None]:
    """A context in which products are of float32: by default, GPUs round what they convolve to TF32."""
    return _products(tf32=False)


@contextmanager
def numerics(precision: str, device: str | torch.device) -> Iterator[None]:
    """A context in which networks are evaluated in that precision, `float32`, `tf32` or `bfloat16`."""
    with _products(tf32=precision == "tf32"), half_precision(precision, device):
        yield


def in_half(precision: str) -> bool:
    """Whether products are of numbers of 16 bits."""
    return precision in _HALF


def half_precision(precision: str, device: str | torch.device) -> torch.autocast:
    """A context in which products are of 16 bits if the precision is one of those, else of 32."""
    return torch.autocast(
        torch.device(device).type, _HALF.get(precision, torch.bfloat16), enabled=in_half(precision)
    )


def rows_per_call(device: torch.device | str, batch_size: int) -> int:
    """How many rows, of `batch_size` at most, share a network call.

    Kernels add in another order in batches of another size. So on a processor, which one row keeps busy, each has a
    call of its own, and results are the same to the last bit in any batch. On a GPU they are up to rounding.
    """
    return 1 if torch.device(device).type == "cpu" else batch_size


@contextmanager
def in_order() -> Iterator[None]:
    """A context in which transposed convolutions and gradients add in the same order each time.

    On a GPU, by default, some do not.
    """
    before = torch.backends.cudnn.deterministic
    try:
        torch.backends.cudnn.deterministic = True
        yield
    finally:
        torch.backends.cudnn.deterministic = before


@contextmanager
def _products(tf32: bool) -> Iterator[None]:
    """A context in which float32 numbers are rounded to TF32 before they are multiplied, or not at all, always in the
    same order.

    PyTorch 2.9 and newer has a switch for each kind of product. The older, common ones set them too, and are set first:
    whoever reads them, as compilation does, gets an error where they disagree with the new ones. What was set before is
    set again behind the block (but for an older switch that could not be read for that reason).
    """
    gpu, cpu = _newer_switches()
    switches = [*gpu, *cpu]
    before = [switch.fp32_precision for switch in switches]
    convolutions, products = (
        _agreed(lambda: torch.backends.cudnn.allow_tf32),
        _agreed(torch.get_float32_matmul_precision),
    )
    try:
        torch.backends.cudnn.allow_tf32 = tf32
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        for switch in switches:  # one that is not set itself follows one that stands for several
            switch.fp32_precision = "tf32" if tf32 and switch in gpu else "ieee"
        with in_order():
            yield
    finally:
        if convolutions is not None:
            torch.backends.cudnn.allow_tf32 = convolutions
        if products is not None:
            torch.set_float32_matmul_precision(products)
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = value


def _newer_switches() -> tuple[list[Any], list[Any]]:
    """What may round float32 numbers on a GPU, and on a processor."""
    backends: Any = torch.backends
    gpu, cpu = backends.cudnn, backends.mkldnn
    if not hasattr(gpu, "conv"):
        return [], []
    return [gpu.conv, gpu.rnn, backends.cuda.matmul], [cpu.conv, cpu.matmul]


def _agreed(setting: Callable[[], T]) -> T | None:
    """An older setting; `None` where the newer switches were set to something else."""
    try:
        return setting()
    except RuntimeError:
        return None
