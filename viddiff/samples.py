"""Reading samples, the videos that the workflow makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from viddiff.errors import InputError


def load_sample(path: Path | str) -> UInt8[np.ndarray, "T C H W"]:
    """Read a sample. Raises `InputError` that names the file if it is missing or not a video."""
    try:
        sample = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read sample {path}: {error}") from error
    if not isinstance(sample, np.ndarray) or sample.dtype != np.uint8 or sample.ndim != 4:
        raise InputError(f"sample {path} is not a uint8 array [T, C, H, W]")
    return sample
