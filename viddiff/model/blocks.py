"""The parts of the U-Net that treat each frame by itself.

Tensors are `[B*K, C, H, W]` in channels-last memory: attention reads them as `[B, K, H*W, C]` without a copy.
Parameter names are those of the original, so its checkpoints load as they are.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from viddiff.model.dropout import RowDropout
from viddiff.model.settings import GROUPS


def sinusoidal_embedding(
    position: Shaped[Tensor, " ..."], dim: int, max_period: float = 10_000.0
) -> Float[Tensor, "... {dim}"]:
    """Cosines and sines of a position at `dim // 2` geometric frequencies (Vaswani et al. 2017, 3.5)."""
    half = dim // 2
    frequencies = torch.exp(-math.log(max_period) / half * torch.arange(half, device=position.device))
    angles = position[..., None].float() * frequencies
    embedding = torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
    return F.pad(embedding, (0, dim % 2))


def zeroed(module: nn.Module) -> nn.Module:
    """The same module with its parameters set to zero, so that a residual branch starts as the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def chosen(h: Float[Tensor, "N C H W"], kept: Int[Tensor, " n"] | None) -> Float[Tensor, "n C H W"]:
    """These of the frames, channels-last as their gradient; all of them if `kept` is None."""
    return h if kept is None else h.permute(0, 2, 3, 1)[kept].permute(0, 3, 1, 2)


class ResBlock(nn.Module):
    """Two convolutions with a skip connection, conditioned on the diffusion step's embedding."""

    def __init__(
        self, channels: int, emb_channels: int, out_channels: int, dropout: float, scale_shift: bool
    ) -> None:
        super().__init__()
        self.scale_shift = scale_shift
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, channels),
            nn.SiLU(inplace=True),
            nn.Conv2d(channels, out_channels, 3, padding=1),
        )
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(emb_channels, 2 * out_channels if scale_shift else out_channels)
        )
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, out_channels),
            nn.SiLU(inplace=True),
            RowDropout(dropout),
            zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1)),
        )
        self.skip_connection = (
            nn.Identity() if out_channels == channels else nn.Conv2d(channels, out_channels, 1)
        )

    def forward(self, h: Float[Tensor, "N C H W"], emb: Float[Tensor, "B K E"]) -> Float[Tensor, "N D H W"]:
        """`emb` has one row per frame, or one for all frames of a window (K = 1)."""
        condition = self.emb_layers(emb)
        frames = h.shape[0] // emb.shape[0]
        condition = condition.expand(-1, frames, -1).reshape(h.shape[0], -1, 1, 1)
        residual = self.in_layers(h)
        if self.scale_shift:
            scale, shift = condition.chunk(2, dim=1)
            residual = torch.addcmul(shift, self.out_layers[0](residual), 1 + scale)
            residual = self.out_layers[1:](residual)
        else:
            residual = self.out_layers(residual + condition)
        return self.skip_connection(h) + residual


class Downsample(nn.Module):
    """Halve the resolution by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, h: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C h w"]:
        return self.op(h)


class Upsample(nn.Module):
    """Double the resolution: nearest neighbour, then a convolution.

    Both at once are a transposed convolution of stride 2, with 4 products for each output where the convolution of
    repeated pixels has 9.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, h: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C h w"]:
        return F.conv_transpose2d(h, doubling_kernel(self.conv.weight), self.conv.bias, stride=2, padding=1)


def doubling_kernel(weight: Float[Tensor, "D C 3 3"]) -> Float[Tensor, "C D 4 4"]:
    """The kernel by which a transposed convolution of stride 2 does what `weight` does to pixels repeated twice.

    Along one axis, output `o` sees the repeated pixels `o - 1, o, o + 1`, two of which are the same: their weights are
    added. So the kernel is `[w_2, w_1 + w_2, w_0 + w_1, w_0]`.
    """
    kernel = F.pad(weight, (1, 1, 1, 1))
    kernel = kernel[:, :, :-1] + kernel[:, :, 1:]
    kernel = kernel[..., :-1] + kernel[..., 1:]
    return kernel.flip(2, 3).transpose(0, 1)
