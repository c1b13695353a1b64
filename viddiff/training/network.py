"""The network as training calls it: in numbers of half the bits where asked for, compiled, one of several processes.

Weights, gradients, moments and averages stay of float32: `torch.autocast` rounds what is multiplied inside the network,
and losses are of float32. Parameters keep their names: a checkpoint does not tell a compiled network from another, nor
one process from several.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor

from viddiff.diffusion.denoiser import Network
from viddiff.model.compiled import compile_network
from viddiff.model.dropout import dropout_layers
from viddiff.precision import half_precision
from viddiff.training.processes import ALONE, Processes
from viddiff.window import Window, WindowFrames


class TrainingNetwork:
    """What training calls to evaluate `model`, whose parameters get the mean of the gradients of all processes.

    dropping: the layers whose seeds each call needs. Raises `InputError` if this machine cannot compile for the device.
    """

    def __init__(
        self,
        model: Network,
        device: torch.device,
        precision: str = "float32",
        compiled: bool = False,
        processes: Processes = ALONE,
    ) -> None:
        self.device, self.precision, self.processes = device, precision, processes
        self.dropping = dropout_layers(model)
        self._averaged = processes.wrapped(model)
        self._called: Any = self._averaged
        if compiled:
            self._called = compile_network(self._averaged, device, trains=True)

    def __call__(
        self,
        x_t: WindowFrames,
        t: Num[Tensor, "B ..."],
        window: Window,
        positions: Any = None,
        **told: Tensor,
    ) -> Float[Tensor, "B K D H W"]:
        """As the network's own."""
        with half_precision(self.precision, self.device):
            return self._called(x_t, t, window, positions, **told).float()

    def positions(self, window: Window) -> Any:
        """As the network's own."""
        return self._called.positions(window)

    def averaging(self, last: bool) -> AbstractContextManager[None]:
        """A context for a microbatch and its gradient; processes exchange gradients with the last one of a batch."""
        return self.processes.averaging(self._averaged, last)
