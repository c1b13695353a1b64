"""The state of a training run on disk: per saved step a set of files `{opt,model,ema_<rate>}_<step>.pt`.

The opt file comes first and holds the hashes of the others; a set is complete if all are there and match.
With `save_latest_only` a complete set is then renamed file by file to `_latest`; if that is cut short, it is
found under both names. The random state is the seed and the step: all draws come from them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from viddiff.checkpoint import (
    checkpoint_dict,
    encode,
    list_checkpoints,
    load_checkpoint,
    load_tensors,
    resolve_latest,
    write_bytes,
)
from viddiff.errors import InputError
from viddiff.files.write import sha256_file

# Keys of the flat config that may change when a run goes on: they do not change the weights beyond rounding.
_FREE = ("save_interval", "save_latest_only", "log_interval", "sample_interval", "num_workers", "microbatch")
_KIND = re.compile(r"model|ema_[0-9][0-9.e-]*")
logger = logging.getLogger(__name__)


@dataclass
class TrainingState:
    """Everything that training changes. averages: of the parameters, by EMA rate; step: updates made."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    averages: dict[float, dict[str, Tensor]]
    step: int = 0


def save_state(run_dir: Path, state: TrainingState, config: dict[str, Any]) -> None:
    """Write the set of files of the present step. Raises `OutputError` if the system refuses."""
    weights = {"model": state.model.state_dict()}
    for rate, average in state.averages.items():
        weights[f"ema_{rate}"] = weights["model"] | average
    files = {kind: encode(checkpoint_dict(values, config, state.step)) for kind, values in weights.items()}
    hashes = {kind: hashlib.sha256(data).hexdigest() for kind, data in files.items()}
    opt = state.optimizer.state_dict() | {"step": state.step, "seed": config["fake_seed"], "sha256": hashes}
    paths = {kind: run_dir / f"{kind}_{state.step:06d}.pt" for kind in ("opt", *files)}
    for kind, path in paths.items():
        write_bytes(path, encode(opt) if kind == "opt" else files[kind])
    if config["save_latest_only"]:
        for kind, path in paths.items():
            os.replace(path, run_dir / f"{kind}_latest.pt")


def resume_state(run_dir: Path, state: TrainingState, config: dict[str, Any], last_step: int) -> None:
    """Set `state` to the newest complete set of at most `last_step` updates; leave it if there is none.

    Sets that are incomplete or damaged are skipped with a warning. The set found is copied to the names that
    `config` asks for, if it has others. Raises `InputError` if the set was trained with other settings, or if
    training would overwrite checkpoints that are not its own.
    """
    found = next((files for step, files in _complete_sets(run_dir) if step <= last_step), None)
    if found is not None:
        opt, model = load_tensors(found["opt"]), load_checkpoint(found["model"])
        _check_config(run_dir, model.config, config)
        state.optimizer.load_state_dict({key: opt[key] for key in ("state", "param_groups")})
        state.model.load_state_dict(model.state_dict)
        for rate, average in state.averages.items():
            saved = load_checkpoint(found[f"ema_{rate}"]).state_dict
            for name, value in average.items():
                value.copy_(saved[name])
        state.step = opt["step"]
        suffix = "latest" if config["save_latest_only"] else f"{state.step:06d}"
        for kind, path in found.items():
            if path != (target := run_dir / f"{kind}_{suffix}.pt"):
                write_bytes(target, path.read_bytes())
    for path in list_checkpoints(run_dir):
        if path.stem.endswith("_latest"):
            foreign = found is None and config["save_latest_only"]
        else:
            step = resolve_latest(path)
            foreign = state.step < step <= last_step and not (run_dir / f"opt_{step:06d}.pt").is_file()
        if foreign:
            raise InputError(
                f"{path}: training would overwrite it, and there is no opt file to go on from; move it away "
                "or name another run"
            )


def _complete_sets(run_dir: Path) -> Iterator[tuple[int, dict[str, Path]]]:
    """Step and files of each complete set, the newest first."""
    candidates: list[tuple[int, Path, dict[str, str]]] = []
    for path in sorted(run_dir.glob("opt_*.pt")):
        if not re.fullmatch(r"opt_([0-9]+|latest)\.pt", path.name):
            continue
        try:
            content = load_tensors(path, mmap=True)
            step, hashes = content["step"], content["sha256"]
            # The names become file names.
            if not isinstance(step, int) or not isinstance(hashes, dict) or "model" not in hashes:
                raise TypeError("step and sha256 are not those of a training state")
            if strange := [kind for kind in hashes if not _KIND.fullmatch(str(kind))]:
                raise TypeError(f"sha256 names {strange[0]!r:.60}, which training does not write")
            candidates.append((step, path, hashes))
        except InputError as error:
            logger.warning("not resumed from: %s", error)
        except KeyError as error:
            logger.warning("not resumed from: %s: lacks %s", path, error)
        except TypeError as error:
            logger.warning("not resumed from: %s: %s", path, error)
    for step, opt_path, hashes in sorted(candidates, key=lambda candidate: candidate[0], reverse=True):
        files = {"opt": opt_path}
        for kind, digest in hashes.items():
            found = _with_hash(run_dir, kind, step, digest)
            if found is None:
                logger.warning("not resumed from: %s: its %s file is missing or damaged", opt_path, kind)
                break
            files[kind] = found
        else:
            yield step, files


def _with_hash(run_dir: Path, kind: str, step: int, digest: str) -> Path | None:
    for path in (run_dir / f"{kind}_{step:06d}.pt", run_dir / f"{kind}_latest.pt"):
        if path.is_file() and sha256_file(path) == digest:
            return path
    return None


def _check_config(run_dir: Path, saved: dict[str, Any], config: dict[str, Any]) -> None:
    changed = [key for key in config if key not in _FREE and saved.get(key) != config[key]]
    if changed:
        values = ", ".join(f"{key} was {saved.get(key)!r} and is {config[key]!r}" for key in changed)
        raise InputError(
            f"{run_dir}: was trained with other settings: {values}; put them back or name another run"
        )
