"""What training changes, in memory, and how it is taken over from the files of a set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from viddiff.checkpoint import Checkpoint, load_checkpoint
from viddiff.errors import InputError
from viddiff.files.nested import nested_parts
from viddiff.flat_config import parse_rates
from viddiff.training.levels import LossHistory

START = "start_from_sha256"
"""The key of a checkpoint's config that says what the file held whose weights were the run's first."""


@dataclass
class TrainingState:
    """Everything that training changes.

    averages: of the parameters, by EMA rate; powers: by length, see `viddiff.training.power_ema`; step: updates made;
    start_sha256: of the file that gave the first weights; history: of losses, if diffusion steps are drawn by it;
    scaler: of the loss, in float16; overflows: training steps in a row that it left without an update.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    averages: dict[float, dict[str, Tensor]]
    step: int = 0
    start_sha256: str = ""
    history: LossHistory | None = None
    powers: dict[float, dict[str, Tensor]] = field(default_factory=dict)
    scaler: torch.amp.GradScaler = field(default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False))
    overflows: int = 0

    def named_averages(self) -> dict[str, dict[str, Tensor]]:
        """All averages, by the kind of their files."""
        powers = {f"power_{length}": average for length, average in self.powers.items()}
        return {f"ema_{rate}": average for rate, average in self.averages.items()} | powers

    def is_finite(self) -> bool:
        """Whether no weight, average or moment is infinite or not a number."""
        return is_finite(
            [self.model.state_dict(), self.optimizer.state_dict(), *self.named_averages().values()]
        )


@dataclass(frozen=True)
class SavedSet:
    """A complete set: its step and files by kind; `opt` is what the opt file holds."""

    step: int
    files: Mapping[str, Path]
    opt: Mapping[str, Any]


def check_rates(
    path: Path, saved: Mapping[str, Any], state: TrainingState, files: Mapping[str, Path], at_the_end: bool
) -> None:
    """Raise `InputError` if an average is lacking that a set must have, or that would begin at the last step."""
    for rate in state.averages:
        if f"ema_{rate}" in files:
            continue
        if rate in parse_rates(saved.get("ema_rate", str(rate))):
            raise InputError(f"{path}: its set has no ema_{rate}; put the file there or name another run")
        if at_the_end:
            raise InputError(
                f"{path}: its set has no ema_{rate}; a new ema_rate begins at the weights of the set's step, which is "
                "the last: raise steps, or put ema_rate back"
            )


def averages_of(
    state: TrainingState, model: Checkpoint, files: Mapping[str, Path]
) -> dict[str, Mapping[str, Tensor]]:
    """The averages of a set, by kind; one of a new rate begins at the weights."""
    return {
        kind: load_checkpoint(files[kind]).state_dict if kind in files else model.state_dict
        for kind in state.named_averages()
    }


def take_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """As `optimizer.load_state_dict`, whatever the order in memory of the saved moments.

    A fused optimiser goes along a parameter and its moments as they lie in memory, and asks for no strides: the numbers
    of a moment that lies otherwise would meet those of other weights.
    """
    optimizer.load_state_dict(saved)
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def take_over(state: TrainingState, model: Checkpoint, saved: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Set weights, averages and step to those of a set. saved: as of `averages_of`."""
    state.model.load_state_dict(model.state_dict)
    for kind, average in state.named_averages().items():
        for name, value in average.items():
            value.copy_(saved[kind][name])
    state.step = model.step


def other_settings(run_dir: Path, changed: str) -> InputError:
    """One line that refuses to go on with other settings. changed: in words, see `changed_settings`."""
    return InputError(
        f"{run_dir}: was trained with other settings: {changed}; put them back or name another run, which start_from "
        "can begin with these weights"
    )


def is_finite(values: Any) -> bool:
    """Whether all tensors in nested lists and dicts are of finite numbers."""
    return all(bool(part.isfinite().all()) for part in nested_parts(values) if isinstance(part, Tensor))
