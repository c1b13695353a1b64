"""Numeric precision of what is evaluated: full float32 on every device."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def full_float32() -> AbstractContextManager[None]:
    """A context in which convolutions keep float32: by default, GPUs round their inputs to TF32 (10 bits)."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
