"""The processes of one training, each with a device and its rows of every batch (PyTorch Distributed, Li et al. 2020,
arXiv 2006.15704).

All of them draw what the whole batch needs and take their rows of it; gradients are averaged. So a training step
depends on seed and step alone, whatever their number, but for rounding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from viddiff.diffusion.denoiser import Network
from viddiff.errors import InputError
from viddiff.training.run_state import TrainingState, take_moments
from viddiff.window import Window


class AveragedNetwork(DistributedDataParallel):
    """A network whose gradients are the mean of those of all processes."""

    def positions(self, window: Window) -> Any:
        """See `viddiff.diffusion.denoiser.Network`."""
        return self.module.positions(window)


class FirstFailed(RuntimeError):
    """Process 0 failed where the others waited for it; it says why."""


@dataclass(frozen=True)
class Processes:
    """This process, `rank`, among `count`. With more than one, the default group of `torch.distributed` is theirs.

    store: where process 0 says that it is through with what it does alone.
    """

    rank: int = 0
    count: int = 1
    store: distributed.Store | None = None

    def rows(self, batch: int) -> slice:
        """The rows of a batch that are this process's. Raises `InputError` if not all have the same number."""
        if batch % self.count:
            raise InputError(
                f"batch_size is {batch}; must be a multiple of the number of processes, {self.count}"
            )
        own = batch // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def wrapped(self, model: Network) -> Network:
        """The network as training calls it: its weights are those of process 0, its gradients everybody's mean."""
        if self.count == 1:
            return model
        return AveragedNetwork(model, gradient_as_bucket_view=True)

    def averaging(self, model: Network, last: bool) -> AbstractContextManager[None]:
        """A context for a microbatch of what `wrapped` returned: gradients are exchanged with the last one."""
        return nullcontext() if last or not isinstance(model, AveragedNetwork) else model.no_sync()

    def whole(self, rows: Shaped[Tensor, " R"]) -> Shaped[Tensor, " B"]:
        """A value for each row of the batch, from those of each process."""
        if self.count == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.count)]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag of a process is true: the same answer for all."""
        if self.count == 1:
            return flag
        flags = torch.tensor(float(flag), device=device)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return bool(flags)

    @contextmanager
    def first_alone(self, what: str) -> Iterator[None]:
        """A block in which process 0 does something alone; behind it the others wait, however long it takes.

        what: another text each time. Raises `FirstFailed` in the others if process 0 leaves the block by an exception.
        """
        if self.store is None:
            yield
            return
        end = "failed"
        try:
            yield
            end = "done"
        finally:
            if self.rank == 0:
                self.store.set(what, end)
        while not self.store.check([what]):
            time.sleep(0.02)
        if self.store.get(what) != b"done":
            raise FirstFailed(what)

    def share(self, state: TrainingState, device: torch.device) -> None:
        """Give all processes what process 0 resumed, but for averages; weights come with `wrapped`."""
        if self.count == 1:
            return
        own = state.optimizer.state_dict()
        tensors = {
            (number, name): value for number, values in own["state"].items() for name, value in values.items()
        }
        shapes = {key: (value.shape, value.dtype) for key, value in tensors.items()}
        told: list[Any] = [(state.step, own["param_groups"], state.scaler.state_dict(), shapes)]
        distributed.broadcast_object_list(told, device=device)
        step, groups, scaler, shapes = told[0]
        moments: dict[int, dict[str, Tensor]] = {}
        for (number, name), (shape, dtype) in shapes.items():
            value = torch.empty(shape, dtype=dtype, device=device)
            if self.rank == 0:
                value.copy_(tensors[number, name])
            distributed.broadcast(value, 0)
            moments.setdefault(number, {})[name] = value
        for value in state.history.saved().values() if state.history is not None else ():
            sent = value.to(device)
            distributed.broadcast(sent, 0)
            value.copy_(sent)
        if self.rank:
            take_moments(state.optimizer, {"state": moments, "param_groups": groups})
            if scaler:
                state.scaler.load_state_dict(scaler)
            state.step = step

    def check_equal(self, model: nn.Module) -> None:
        """Raise `InputError` unless all processes have the same weights, as far as a sum and a norm tell."""
        if self.count == 1:
            return
        weights = (parameter.detach().double() for parameter in model.parameters())
        each = [torch.stack([value.sum(), value.square().sum()]) for value in weights]
        # Weights of NaN are told when they are saved.
        sums = self.whole(torch.stack(each).sum(dim=0)).nan_to_num()
        if not torch.equal(sums.view(self.count, 2), sums[:2].expand(self.count, 2)):
            raise InputError("the processes of the training have different weights; nothing of it is saved")


ALONE = Processes()
