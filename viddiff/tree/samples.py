"""Reading samples, the videos that the workflow makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from viddiff.errors import InputError
from viddiff.files.npy import open_npy
from viddiff.inference.plan import Plan


def load_sample(path: Path | str) -> UInt8[np.ndarray, "T C H W"]:
    """Read a sample. Raises `InputError` that names the file if it is missing or not a video."""
    return np.array(open_sample(path))


def open_sample(path: Path | str) -> UInt8[np.ndarray, "T C H W"]:
    """Memory-map a sample, whose frames are read as they are used. Raises `InputError` as `load_sample` does."""
    sample = open_npy(Path(path))
    if sample.dtype != np.uint8 or sample.ndim != 4:
        raise InputError(f"{path}: {sample.dtype} {list(sample.shape)}, must be a video, uint8 [T, C, H, W]")
    return sample


def executed_plan(path: Path, planned: Plan) -> Plan:
    """The plan by which a sample was made: what is recorded beside it, else `planned`, the plan of its mode.

    Raises `InputError` naming the file if it is missing though the mode chooses frames, or of another plan.
    """
    selects = any(stage.n_select for stage in planned.stages)
    try:
        plan = Plan.read(path) if selects else planned
    except InputError as error:
        raise InputError(f"{error}: it tells the frames that were chosen") from error
    if [stage.latent for stage in plan.stages] != [stage.latent for stage in planned.stages]:
        raise InputError(f"{path}: its stages are not those of the mode's plan")
    return plan
