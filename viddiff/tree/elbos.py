"""The files of an evaluation's ELBOs: an array for each test video, and a summary of the first videos.

`elbo_<video>.npy` has a row per stage, see `STAGE`; `elbos_<videos>.json` is what tables are made from. Their fields
are explained in docs/metrics.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from viddiff.errors import InputError, reading
from viddiff.files.json_files import GROWING, read_json
from viddiff.files.npy import open_npy
from viddiff.files.write import sha256_file, write_json
from viddiff.tree.fingerprint import NAME as FINGERPRINT
from viddiff.tree.paths import Evaluation

FORMAT = 1
"""Raised whenever values or the meaning of a field change."""

PRECISION = "float32"
"""Of the network, in whatever precision the samples beside are; see `viddiff.precision`."""

ON_TRUTH = "ground truth"

TERMS = ("total_bpd", "prior_bpd", "vb", "xstart_mse", "mse")
"""The original's: summed over diffusion steps and multiplied by the frames of the window."""

STAGE = np.dtype(
    [
        *((term, "<f8") for term in TERMS),
        ("bpd", "<f8"),  # bits per dimension of the latent frames
        ("observed", "<i4"),  # frames of the window
        ("latent", "<i4"),
        ("selected_on", f"<U{len(ON_TRUTH)}"),  # "": the plan alone says what is observed
    ]
)


def load_elbo(path: Path | str) -> np.ndarray:
    """Read an ELBO, one row of `STAGE` per stage. Raises `InputError` that names the file if it is none."""
    stages = open_npy(Path(path))
    if stages.dtype != STAGE or stages.ndim != 1 or not len(stages):
        raise InputError(f"{path}: not an ELBO, an array with a row per stage and the fields {STAGE.names}")
    return np.array(stages)


def bits_per_dimension(stages: np.ndarray) -> float:
    """Bits per dimension of all frames that the stages make: the chain rule's sum over their dimensions."""
    return float(stages["total_bpd"].sum() / stages["latent"].sum())


def summarise_elbos(evaluation: Evaluation, videos: int) -> None:
    """Write `evaluation.elbo_summary(videos)` from the ELBOs of the first `videos` test videos.

    Raises `InputError` that names the file which is missing, unreadable or made by another plan than the first.
    """
    paths = [evaluation.elbo(video) for video in range(videos)]
    arrays = [load_elbo(path) for path in paths]
    for path, stages in zip(paths, arrays, strict=True):
        if not np.array_equal(stages["latent"], arrays[0]["latent"]):
            raise InputError(f"{path} has other stages than {paths[0]}; remove the one that is wrong")
    origin = _read_fingerprint(evaluation.directory / FINGERPRINT)
    bpd = [bits_per_dimension(stages) for stages in arrays]
    selected = any((stages["selected_on"] == ON_TRUTH).any() for stages in arrays)
    write_json(
        evaluation.elbo_summary(videos),
        {
            "format": FORMAT,
            "videos": videos,
            "stages": len(arrays[0]),
            "frames": int(arrays[0]["latent"].sum()),
            "observed_frames": f"selected on {ON_TRUTH}" if selected else "as planned",
            "bpd": {**_summary(bpd), "per_video": bpd, "higher_is_better": False},
            "terms": {term: _summary([float(stages[term].sum()) for stages in arrays]) for term in TERMS},
            "protocol": {
                "videos": videos,
                "diffusion_steps": len(origin["diffusion_steps"]),
                "variance": origin["variance"],
                "draws_per_step": 1,
                "precision": PRECISION,
            },
            "fingerprint": origin,
            "files": {str(path.relative_to(evaluation.directory)): sha256_file(path) for path in paths},
        },
    )


def _summary(values: Sequence[float]) -> dict[str, float | None]:
    """Mean over videos, and its standard error: how far another draw of test videos may lie."""
    array: Float64[np.ndarray, " videos"] = np.array(values)
    error = float(array.std(ddof=1) / math.sqrt(len(array))) if len(array) > 1 else None
    return {"mean": float(array.mean()), "standard_error_videos": error}


def _read_fingerprint(path: Path) -> dict[str, Any]:
    with reading(path, "a fingerprint of ELBOs"):
        content = read_json(path, GROWING)
        origin = {
            name: content[name] for name in ("checkpoint_sha256", "diffusion_steps", "variance", "dataset")
        }
        len(origin["diffusion_steps"])
        return origin
