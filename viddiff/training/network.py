"""The network as training calls it: in numbers of half the bits where asked for, or compiled.

Weights, gradients, moments and averages stay of float32: `torch.autocast` rounds what is multiplied inside the network,
and losses are of float32. Parameters keep their names: a checkpoint does not tell a compiled network from another.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor

from viddiff.diffusion.denoiser import Network
from viddiff.model.compiled import compile_network
from viddiff.precision import half_precision, in_half
from viddiff.window import Window, WindowFrames


def training_network(model: Network, precision: str, device: torch.device, compiled: bool) -> Network:
    """What training calls to evaluate `model` in a precision; `model` itself where nothing is to be done.

    Raises `InputError` if this machine cannot compile for the device.
    """
    network = compile_network(model, device, records=False) if compiled else model
    return _Network(network, precision, device) if compiled or in_half(precision) else model


class _Network:
    """Positions are found before, outside of what is compiled or rounded."""

    def __init__(self, network: Network, precision: str, device: torch.device) -> None:
        self.network, self.precision, self.device = network, precision, device

    def __call__(
        self, x_t: WindowFrames, t: Num[Tensor, "B ..."], window: Window, positions: Any = None
    ) -> Float[Tensor, "B K D H W"]:
        if positions is None:
            positions = self.network.positions(window)
        with half_precision(self.precision, self.device):
            return self.network(x_t, t, window, positions).float()

    def positions(self, window: Window) -> Any:
        return self.network.positions(window)
