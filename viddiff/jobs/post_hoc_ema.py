"""A checkpoint of averaged weights whose length is chosen after training, see `viddiff.training.power_ema`."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from viddiff.checkpoint import checkpoint_dict, encode, load_checkpoint
from viddiff.errors import InputError
from viddiff.files.write import write_bytes
from viddiff.training.changeable import changed_settings
from viddiff.training.power_ema import Snapshot, check_length, combination
from viddiff.training.run_files import run_files

FOLDER = "posthoc"
"""In the run's folder: a run of its own for all that samples, which training does not touch."""


def write_post_hoc(run_dir: Path, length: float, step: int | None = None) -> tuple[Path, float]:
    """Write `posthoc/ema_<length>_<step>.pt` in a run's folder, of the averages saved up to a step or the last.

    length: sigma_rel, the spread of the average as a share of the training so far. The checkpoint's config says it, as
    `ema_length`. Returns the file, and how far the sum's profile is from the wanted one.

    Raises `InputError` for a length out of range, or one that the saved averages do not make, for a run without them,
    and for files that are damaged or of other trainings.
    """
    check_length(length)
    found = {
        Snapshot(file.step, float(kind[1])): file.path
        for file in run_files(run_dir)
        if file.step and (kind := re.fullmatch("power_(.+)", file.kind))
    }
    steps = {snapshot.step for snapshot in found}
    last = max(steps, default=None) if step is None else step
    if last not in steps:
        known = f"saved: {', '.join(map(str, sorted(steps)))}" if steps else "train with post_hoc_ema: true"
        wanted = "any step" if last is None else f"step {last}"
        raise InputError(f"{run_dir}: holds no averages power_… of {wanted}; {known}")
    used = sorted(snapshot for snapshot in found if snapshot.step <= last)
    weights, distance = combination(used, Snapshot(last, length))
    newest = load_checkpoint(found[used[-1]])
    total: dict[str, Tensor] = {}
    for snapshot, weight in zip(used, weights, strict=True):
        path = found[snapshot]
        saved = load_checkpoint(path)
        if saved.step != snapshot.step or changed_settings(saved.config, newest.config):
            raise InputError(f"{path}: its step or its settings are not those of {found[used[-1]]}")
        if saved.state_dict.keys() != newest.state_dict.keys():
            raise InputError(f"{path}: its parameters are not those of {found[used[-1]]}")
        for name, value in saved.state_dict.items():
            total[name] = (
                total.get(name, torch.zeros_like(value, dtype=torch.float64)) + weight * value.double()
            )
    target = run_dir / FOLDER / f"ema_{length}_{last:06d}.pt"
    if wrong := [name for name, value in total.items() if not value.isfinite().all()]:
        raise InputError(f"{run_dir}: the average would not be of finite numbers, first in {wrong[0]}")
    target.parent.mkdir(exist_ok=True)
    config = newest.config | {"ema_length": length}
    content = encode(checkpoint_dict({name: value.float() for name, value in total.items()}, config, last))
    if not target.exists():
        write_bytes(target, content)
    elif target.read_bytes() != content:
        raise InputError(f"{target} is there, made of other averages: move it away to have it made anew")
    return target, distance
