"""Exponential moving averages of parameters: `average <- rate * average + (1 - rate) * parameter`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def start_average(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An average that starts at the present parameters."""
    return {name: value.detach().clone() for name, value in parameters.items()}


def rate_at(rate: float, step: int) -> float:
    """The rate of an average that warms up, in the update after `step` updates: `min(rate, (1 + step) / (10 + step))`.

    It lets the initial weights, which are noise, vanish in tens of updates. As in TensorFlow's
    `ExponentialMovingAverage` with `num_updates`.
    """
    return min(rate, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: Mapping[str, Tensor], parameters: Mapping[str, Tensor], rate: float) -> None:
    """One step of the average, in place."""
    torch._foreach_lerp_(list(average.values()), [parameters[name] for name in average], 1.0 - rate)
