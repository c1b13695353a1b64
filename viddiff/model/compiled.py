"""A network compiled for the device: `torch.compile` fuses what lies between its products.

The first window of a size takes minutes. PyTorch keeps what it compiled in the folder that the environment variable
`TORCHINDUCTOR_CACHE_DIR` names, by default a temporary one; several processes may use it at once. Results differ from
those of the network as it is by rounding.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor

from viddiff.call_size import is_out_of_memory
from viddiff.diffusion.denoiser import Network
from viddiff.errors import InputError, one_line
from viddiff.model.attention import Positions
from viddiff.model.dropout import dropout_layers
from viddiff.window import Window, WindowFrames

log = logging.getLogger(__name__)


class CompiledNetwork:
    """A `viddiff.diffusion.denoiser.Network` whose calls are compiled.

    On a CPU each size of a window is compiled for itself: what it gives does not depend on which size came first. On a
    GPU, where sizes are many, PyTorch compiles the first for itself and at the second for nearly all; it records each
    as a CUDA graph, so that small windows do not wait for the launch of each kernel. The number of observed frames
    belongs to the size where their outputs are left out.

    trains: for gradients, which go through calls that are not recorded. Outputs of observed frames are computed there,
    and where frames have levels of their own: numbers of observed frames are so many that each would be compiled.
    """

    def __init__(self, network: Network, device: torch.device, trains: bool = False) -> None:
        self.network = network
        self._trains = trains
        self._records = not trains and device.type == "cuda"
        self._each_size = device.type == "cpu"
        self._compiled = torch.compile(
            network,
            mode="reduce-overhead" if self._records else None,
            dynamic=False if self._each_size else None,
        )
        self._sizes: set[tuple[int, ...]] = set()

    def __call__(
        self,
        x_t: WindowFrames,
        t: Num[Tensor, "B ..."],
        window: Window,
        positions: Any = None,
        **told: Tensor,
    ) -> Float[Tensor, "B K D H W"]:
        """As the network's own. Raises `InputError` if it cannot be compiled here."""
        if t.ndim > 1:
            positions = _of_all(positions)
        size = (*x_t.shape, t.ndim, _predicted(positions))
        if size in self._sizes:
            return self._call(x_t, t, window, positions, **told)
        log.info("compiling the network for %d windows of %d frames; minutes if it is new", *size[:2])
        start = time.perf_counter()
        with _one_line():
            output = self._call(x_t, t, window, positions, **told)
        log.info("compiled and run in %.1f s", time.perf_counter() - start)
        self._sizes.add(size)
        return output

    def positions(self, window: Window) -> Any:
        """As the network's own."""
        positions = self.network.positions(window)
        return _of_all(positions) if self._trains else positions

    def _call(self, x_t: Tensor, t: Tensor, window: Window, positions: Any, **told: Tensor) -> Tensor:
        if self._each_size:
            with _without_limit():
                return self._compiled(x_t, t, window, positions, **told)
        if not self._records:
            return self._compiled(x_t, t, window, positions, **told)
        torch.compiler.cudagraph_mark_step_begin()
        return self._compiled(x_t, t, window, positions, **told).clone()  # the next call overwrites it


def _of_all(positions: Any) -> Any:
    """The positions of a network, so that all frames have an output."""
    return replace(positions, predicted=None) if isinstance(positions, Positions) else positions


def _predicted(positions: Any) -> int:
    """How many frames have an output, or -1 if all do."""
    known = isinstance(positions, Positions) and positions.predicted is not None
    return len(positions.predicted) if known else -1


@contextmanager
def _without_limit() -> Iterator[None]:
    """PyTorch compiles as many sizes as come: from the ninth on it would run the network as it is, of other bits."""
    from torch._dynamo import config  # slow to load

    with config.patch(cache_size_limit=sys.maxsize, accumulated_cache_size_limit=sys.maxsize):
        yield


@contextmanager
def _one_line() -> Iterator[None]:
    """What PyTorch cannot compile is an `InputError`, and whole in the log; that memory runs out stays as it is."""
    try:
        yield
    except RuntimeError as error:
        from torch._dynamo.exc import TorchDynamoException  # slow to load, but loaded by then

        if is_out_of_memory(error) or not isinstance(error, TorchDynamoException):
            raise
        log.info("compiling failed", exc_info=True)
        raise InputError(
            f"compile is true, but the network cannot be compiled here ({one_line(error):.200}): the log has it whole"
        ) from error


def compile_network(network: Network, device: torch.device, trains: bool = False) -> CompiledNetwork:
    """The network, to be compiled at its first calls. trains: as of `CompiledNetwork`.

    Raises `InputError` if this machine cannot compile for the device.
    """
    check_compiler(device)
    for layer in dropout_layers(network):
        layer.stay_uncompiled()
    return CompiledNetwork(network, device, trains)


def check_compiler(device: torch.device) -> None:
    """Raise `InputError` unless there is what `torch.compile` needs: on a GPU Triton, else a compiler of C++."""
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise InputError(
                "compile is true, but Python's package triton is absent, which compiles for GPUs"
            )
        return
    try:
        from torch._inductor.cpp_builder import get_cpp_compiler  # slow to load

        get_cpp_compiler()
    except Exception:  # of no public class
        raise InputError("compile is true, but no compiler of C++ is found here: install g++") from None
