"""Exponential moving averages of parameters: `average <- rate * average + (1 - rate) * parameter`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def parse_rates(rates: str) -> tuple[float, ...]:
    """The rates in a list with commas, "0.9999,0.999". Raises `ValueError` if one is not in [0, 1)."""
    values = tuple(float(rate) for rate in rates.split(","))
    if len(set(values)) != len(values) or not all(0.0 <= rate < 1.0 for rate in values):
        raise ValueError(f"rates must differ and lie in [0, 1): {rates}")
    return values


def start_average(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An average that starts at the present parameters."""
    return {name: value.detach().clone() for name, value in parameters.items()}


@torch.no_grad()
def update_average(average: Mapping[str, Tensor], parameters: Mapping[str, Tensor], rate: float) -> None:
    """One step of the average, in place."""
    torch._foreach_lerp_(list(average.values()), [parameters[name] for name in average], 1.0 - rate)
