"""Numeric precision of what is evaluated: full float32 on every device, and the same bits on a processor."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def full_float32() -> AbstractContextManager[None]:
    """A context in which convolutions keep float32: by default, GPUs round their inputs to TF32 (10 bits)."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def rows_per_call(device: torch.device | str, batch_size: int) -> int:
    """How many rows, of `batch_size` at most, share a network call.

    Kernels add in another order in batches of another size. So on a processor, which one row keeps busy, each has a
    call of its own, and results are the same to the last bit in any batch. On a GPU they are up to rounding.
    """
    return 1 if torch.device(device).type == "cpu" else batch_size
