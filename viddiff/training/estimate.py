"""What a training will take, said before it begins and as soon as its speed is known."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import torch

from viddiff.training.config import TrainingConfig
from viddiff.training.run_files import kept_steps

SETTLING, MEASURED = 3, 10
"""Training steps that are not counted, since much is done once, and those of which the speed is taken."""


def needs(config: TrainingConfig, parameters: int, run_dir: Path, step: int) -> str:
    """One line: the network's parameters, and the disk that the sets of files to come take, as far as they stay.

    step: training steps made before.
    """
    saves = [*range(config.save_interval, config.steps, config.save_interval), config.steps]
    saves = [save for save in saves if save > step]
    kept = 1 if config.save_latest_only else len(kept_steps(saves, config.keep_last, config.keep_every))
    set_bytes = 4 * parameters * (3 + len(config.ema_rates) + 2 * config.post_hoc_ema)
    return (
        f"{parameters / 1e6:.1f} M parameters{_shared(config)}; sets of files to come: {kept} of {_size(set_bytes)}, "
        f"together {_size(kept * set_bytes)}; {run_dir} has {_size(shutil.disk_usage(run_dir).free)} free"
    )


class Pace:
    """Says once how long the rest of a training will take: call it after each training step."""

    def __init__(self, config: TrainingConfig, device: torch.device, say: Callable[[str], None]) -> None:
        self._steps, self._device, self._say = config.steps, device, say
        self._where = f" in the first of {config.processes} processes" if config.processes > 1 else ""
        self._made, self._since = 0, 0.0

    def __call__(self, step: int) -> None:
        """step: the number of training steps made, in this job and before."""
        self._made += 1
        if self._made == SETTLING:
            self._since = time.monotonic()
        if self._made != SETTLING + MEASURED:
            return
        seconds = (time.monotonic() - self._since) / MEASURED
        left = timedelta(seconds=seconds * (self._steps - step))
        self._say(
            f"{seconds:.3g} s a step, {_size(_peak_bytes(self._device))} of memory{self._where}: step {self._steps} in "
            f"{_duration(left)}, {datetime.now() + left:%a %d %b %H:%M}"
        )


def _shared(config: TrainingConfig) -> str:
    """How many processes train, if there are several."""
    if config.processes == 1:
        return ""
    own = config.batch_size // config.processes
    return f", trained by {config.processes} processes with {own} of {config.batch_size} windows each"


def _peak_bytes(device: torch.device) -> int:
    """The most memory so far: on a GPU what PyTorch allocated there, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _size(count: float) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e8 else f"{count / 1e6:.3g} MB"


def _duration(left: timedelta) -> str:
    minutes = round(left.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
