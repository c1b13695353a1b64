"""Dropout that does not depend on how a batch is split: a row's mask comes from a seed of that row.

The rows of a training batch may be spread over microbatches and processes. Masks drawn from one stream for all of them
would then differ, so each row of each layer has a seed of its own, which training sets before the network is called.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RowDropout(nn.Dropout):
    """Dropout of rows with seeds, each of which has the same number of frames; without seeds PyTorch's own.

    seeds: one for each row of what comes next. They hold until others are set, for the gradient may call again.
    """

    seeds: Sequence[int] | None = None

    def __init__(self, p: float) -> None:
        super().__init__(p)
        self._drop = drop_rows

    def forward(self, input: Float[Tensor, "N ..."]) -> Float[Tensor, "N ..."]:
        if self.seeds is None or not self.training or self.p in (0.0, 1.0):
            return super().forward(input)
        return self._drop(input, self.p, self.seeds)

    def stay_uncompiled(self) -> None:
        """To be called before the network is compiled, which would happen anew for the seeds of each call."""
        self._drop = torch.compiler.disable(drop_rows)  # loads PyTorch's compiler, which takes 1.7 s


def drop_rows(input: Float[Tensor, "N ..."], p: float, seeds: Sequence[int]) -> Float[Tensor, "N ..."]:
    """Dropout with probability p, of as many equal parts as there are seeds, each by the seed of its own."""
    generator = torch.Generator(input.device)
    kept = torch.empty(input.shape, dtype=input.dtype, device=input.device)
    for row, seed in zip(kept.chunk(len(seeds)), seeds, strict=True):
        row.bernoulli_(1.0 - p, generator=generator.manual_seed(seed))
    return input * kept.div_(1.0 - p)


def dropout_layers(network: object) -> list[RowDropout]:
    """The layers of a network that drop something, always in the same order."""
    modules = network.modules() if isinstance(network, nn.Module) else ()
    return [module for module in modules if isinstance(module, RowDropout) and module.p > 0]
