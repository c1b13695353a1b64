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

    def forward(self, input: Float[Tensor, "N ..."]) -> Float[Tensor, "N ..."]:
        if self.seeds is None or not self.training or self.p in (0.0, 1.0):
            return super().forward(input)
        return self._dropped(input)

    @torch.compiler.disable
    def _dropped(self, input: Tensor) -> Tensor:
        """Not compiled, which would happen anew for the seeds of each call."""
        assert self.seeds is not None
        generator = torch.Generator(input.device)
        kept = torch.empty(input.shape, dtype=input.dtype, device=input.device)
        for row, seed in zip(kept.chunk(len(self.seeds)), self.seeds, strict=True):
            row.bernoulli_(1.0 - self.p, generator=generator.manual_seed(seed))
        return input * kept.div_(1.0 - self.p)


def dropout_layers(network: object) -> list[RowDropout]:
    """The layers of a network that drop something, always in the same order."""
    modules = network.modules() if isinstance(network, nn.Module) else ()
    return [module for module in modules if isinstance(module, RowDropout) and module.p > 0]
