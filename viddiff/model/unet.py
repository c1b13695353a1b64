"""The U-Net of *Flexible Diffusion Modeling of Long Videos*: Harvey et al. 2022, arXiv 2205.11495, appendix B.

An image U-Net (Nichol & Dhariwal 2021) applied to every frame of a window; its attention layers attend over time
too. The module tree and the parameter names are the original's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from viddiff.model.attention import Buckets, FactorizedAttentionBlock, Positions, window_positions
from viddiff.model.blocks import Downsample, ResBlock, Upsample, chosen, sinusoidal_embedding, zeroed
from viddiff.model.settings import GROUPS
from viddiff.window import Window


@dataclass(frozen=True)
class Architecture:
    """Everything that shapes the network."""

    frame_size: tuple[int, int]  # height and width
    channels: int  # of the video
    model_channels: int
    channel_mult: tuple[int, ...]
    num_res_blocks: int
    attention_downsamplings: tuple[int, ...]  # attention where the resolution is 1 / n of the frames'
    heads: int
    heads_upsample: int
    dropout: float
    scale_shift: bool
    learn_sigma: bool
    conditioning: str  # channel, duplicate, t=0, also with -initzero; indicator in the refactored format
    buckets: Buckets | None  # None: relative positions by a network
    spatial_encoding: bool
    frame_encoding_period: int | None
    centre_frame_encoding: bool
    padding_sees_padding: bool
    recompute: bool  # trade time for memory in training

    @property
    def input_channels(self) -> int:
        """Of the first convolution: the frames and how the observed ones are marked."""
        kind = self.conditioning.removesuffix("-initzero")
        return {"channel": 2, "duplicate": self.channels, "t=0": 0, "indicator": 1}[kind] + self.channels


class Layers(nn.ModuleList):
    """One level's layers, each given what it takes."""

    @property
    def attends(self) -> bool:
        return any(isinstance(layer, FactorizedAttentionBlock) for layer in self)

    def forward(
        self, h: Tensor, emb: Tensor, positions: Positions, kept: Int[Tensor, " n"] | None = None
    ) -> Tensor:
        """kept: the frames of which an output is wanted, by default all; attention leaves the others out."""
        for layer in self:
            if isinstance(layer, ResBlock):
                h = layer(h, emb)
            elif isinstance(layer, FactorizedAttentionBlock):
                h = layer(h, emb, positions, kept)
            else:
                h = layer(h)
        return h


class UNetVideoModel(nn.Module):
    """Predict eps (or x_0, as trained) of the frames of a window, given the observed ones.

    Frames meet in attention alone, so behind its last layer those of which no output is wanted are left out.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        width, emb_channels = arch.model_channels, 4 * arch.model_channels
        self.time_embed = nn.Sequential(
            nn.Linear(width, emb_channels), nn.SiLU(), nn.Linear(emb_channels, emb_channels)
        )

        def res_block(channels: int, out_channels: int) -> ResBlock:
            return ResBlock(channels, emb_channels, out_channels, arch.dropout, arch.scale_shift)

        def attention(channels: int, heads: int) -> FactorizedAttentionBlock:
            return FactorizedAttentionBlock(channels, heads, emb_channels, arch.buckets)

        self.input_blocks = nn.ModuleList([Layers([nn.Conv2d(arch.input_channels, width, 3, padding=1)])])
        channels, downsampling = width, 1
        skips = [channels]
        # The position encodings are added before the first block that attends.
        self.encoding_block, encoding_at = None, (0, 0)
        for level, multiplier in enumerate(arch.channel_mult):
            for _ in range(arch.num_res_blocks):
                layers: list[nn.Module] = [res_block(channels, multiplier * width)]
                if downsampling in arch.attention_downsamplings:
                    if self.encoding_block is None:
                        self.encoding_block = len(self.input_blocks) - 1
                        encoding_at = channels, downsampling
                    layers.append(attention(multiplier * width, arch.heads))
                channels = multiplier * width
                self.input_blocks.append(Layers(layers))
                skips.append(channels)
            if level != len(arch.channel_mult) - 1:
                self.input_blocks.append(Layers([Downsample(channels)]))
                skips.append(channels)
                downsampling *= 2
        if self.encoding_block is None:
            self.encoding_block = len(self.input_blocks) - 1
            encoding_at = channels, downsampling
        if arch.spatial_encoding:
            depth, downsampled = encoding_at
            height, width_there = (side // downsampled for side in arch.frame_size)
            self.spatial_encoding = nn.Parameter(torch.empty(1, depth, height, width_there))
            if not self.spatial_encoding.is_meta:  # torch would load its compiler for that, in seconds
                nn.init.normal_(self.spatial_encoding)

        self.middle_block = Layers(
            [res_block(channels, channels), attention(channels, arch.heads), res_block(channels, channels)]
        )
        self.output_blocks = nn.ModuleList()
        for level, multiplier in reversed(list(enumerate(arch.channel_mult))):
            for i in range(arch.num_res_blocks + 1):
                layers = [res_block(channels + skips.pop(), multiplier * width)]
                channels = multiplier * width
                if downsampling in arch.attention_downsamplings:
                    layers.append(attention(channels, arch.heads_upsample))
                if level and i == arch.num_res_blocks:
                    layers.append(Upsample(channels))
                    downsampling //= 2
                self.output_blocks.append(Layers(layers))
        attending = [number for number, block in enumerate(self.output_blocks) if block.attends]
        self.last_attending = max(attending, default=-1)
        out_channels = 2 * arch.channels if arch.learn_sigma else arch.channels
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, channels),
            nn.SiLU(inplace=True),
            zeroed(nn.Conv2d(width, out_channels, 3, padding=1)),
        )
        self._initialise_conditioning()
        self.to(memory_format=torch.channels_last)

    def _initialise_conditioning(self) -> None:
        """With `-initzero` the network starts blind to the mark, or with equal weights for both copies."""
        weight = self.get_parameter("input_blocks.0.0.weight").data
        if self.arch.conditioning == "channel-initzero":
            weight[:, self.arch.channels] = 0.0
        elif self.arch.conditioning == "duplicate-initzero":
            weight[:, self.arch.channels :] = weight[:, : self.arch.channels]

    def positions(self, window: Window) -> Positions:
        """What the network needs to know of the window; compute it once and pass it to every call."""
        positions = window_positions(window, self.arch.buckets, self.arch.padding_sees_padding)
        if self.training and self.arch.dropout:  # whose rows have equally many frames
            return replace(positions, predicted=None)
        return positions

    def forward(
        self,
        x_t: Float[Tensor, "B K C H W"],
        t: Num[Tensor, "B ..."],
        window: Window,
        positions: Positions | None = None,
        observed_noise: Float[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B K D H W"]:
        """The network's raw output, without `positions` of all frames; D is twice C if the variance is learned (mean
        first).

        x_t: noisy frames; entries of observed frames are replaced by `window.frames`.
        t: the diffusion step, on the scale the network was trained with (0 to 1000 if rescaled): [B] of all frames of a
            window, or [B, K] of each.
        positions: of the window, if known. With them observed frames are left out: their output has no meaning.
        observed_noise: the level of noise on the observed frames, see `viddiff.training.observed_noise`; by default 0.
        Networks of conditioning `channel` alone can be told another one.
        """
        batch, frames, _, height, width = x_t.shape
        if positions is None:
            positions = replace(self.positions(window), predicted=None)
        if t.ndim == 1:
            t = t[:, None]
        if self.arch.conditioning.startswith("t=0"):
            t = torch.where(window.observed, -1, t.expand(batch, frames))
        emb = self.time_embed(sinusoidal_embedding(t, self.arch.model_channels))
        h = self._network_input(x_t, window, observed_noise).view(batch * frames, -1, height, width)
        h = h.contiguous(memory_format=torch.channels_last)
        skips = []
        for number, block in enumerate(self.input_blocks):
            h = self._run(block, h, emb, positions)
            skips.append(h)
            if number == self.encoding_block:
                h = self._add_encodings(h, window)
        h = self._run(self.middle_block, h, emb, positions)
        kept, last = positions.predicted, self.last_attending
        emb_kept = emb if kept is None else emb.expand(-1, frames, -1).flatten(0, 1)[kept, None]
        if last < 0:
            h = chosen(h, kept)
        for number, block in enumerate(self.output_blocks):
            if number <= last:
                h = torch.cat([h, skips.pop()], dim=1)
                h = self._run(block, h, emb, positions, kept if number == last else None)
            else:
                h = torch.cat([h, chosen(skips.pop(), kept)], dim=1)
                h = self._run(block, h, emb_kept, positions)
        h = self.out(h)
        if kept is not None:
            h = h.new_zeros(batch * frames, *h.shape[1:]).index_copy(0, kept, h)
        return h.reshape(batch, frames, -1, height, width)

    def _run(self, block: Callable[..., Tensor], *args: Tensor | Positions | None) -> Tensor:
        if self.arch.recompute and self.training:
            return checkpoint(block, *args, use_reentrant=False)
        return block(*args)

    def _network_input(self, x_t: Tensor, window: Window, observed_noise: Tensor | None) -> Tensor:
        observed = window.observed[:, :, None, None, None]
        if self.arch.conditioning.startswith("duplicate"):
            return torch.cat([x_t.where(~observed, 0.0), window.frames.where(observed, 0.0)], dim=2)
        x = window.frames.where(observed, x_t)
        mark = observed.to(x.dtype).expand(-1, -1, 1, *x.shape[-2:])
        if self.arch.conditioning == "indicator":
            return torch.cat([x, mark], dim=2)
        if self.arch.conditioning.startswith("channel"):
            # The second mark stood for frames to be marginalised over, which no trained model uses: it has the place
            # for how noisy observed frames are. Clean ones have 0.
            if observed_noise is None:
                return torch.cat([x, mark, torch.zeros_like(mark)], dim=2)
            return torch.cat([x, mark, mark * observed_noise.to(mark)[:, None, None, None, None]], dim=2)
        return x

    def _add_encodings(self, h: Tensor, window: Window) -> Tensor:
        if self.arch.spatial_encoding:
            h = h + self.spatial_encoding
        if self.arch.frame_encoding_period is not None:
            index = window.frame_index.float()
            if self.arch.centre_frame_encoding:
                index = index - index.mean(dim=1, keepdim=True)
            encoding = sinusoidal_embedding(index, h.shape[1], self.arch.frame_encoding_period)
            h = h + encoding.view(h.shape[0], -1, 1, 1)
        return h
