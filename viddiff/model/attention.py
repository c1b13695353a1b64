"""Attention over time and over space, with relative position encodings of the distances between frames.

Wu et al. 2021, *Rethinking and Improving Relative Position Encoding for Vision Transformer* (arXiv 2107.14222):
queries, keys and values each get an encoding R of the distance between two frames (eqs. 11-16). R comes from a small
network of the distance and the diffusion step (Harvey et al. 2022, arXiv 2205.11495, appendix B), or from a table
of distance buckets (Wu et al., eq. 18).

As in the original, the residual connection starts after the normalisation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from viddiff.model.blocks import chosen, zeroed
from viddiff.model.settings import GROUPS
from viddiff.window import Window


@dataclass(frozen=True)
class Buckets:
    """Distances up to `alpha` have a bucket each; then buckets grow, and `beta` is the last (at `gamma`)."""

    alpha: int
    beta: int
    gamma: int


@dataclass(frozen=True)
class Positions:
    """What the network knows of a window apart from the frames; the same for every layer and diffusion step.

    distance: for the encoding network, `log(1 + d)` forwards and backwards, and whether d = 0.
    bucket: for the table of buckets; index into the table, negative ones from its end.
    blocked: pairs of frames that must not see each other (padding); None if there are none.
    predicted: of which of the B*K frames there is an output, those that are not observed; None if of all of them.
    """

    distance: Float[Tensor, "B K K 3"] | None
    bucket: Int[Tensor, "B K K"] | None
    blocked: Bool[Tensor, "B K K"] | None
    predicted: Int[Tensor, " N"] | None


def window_positions(window: Window, buckets: Buckets | None, padding_sees_padding: bool) -> Positions:
    """The positions of a window: by distance, or by bucket if `buckets` are given.

    Frames that are not padding see each other; a padding frame sees all padding, or itself alone.
    """
    used = window.observed | window.latent
    difference = window.frame_index[:, :, None] - window.frame_index[:, None, :]
    same = used[:, :, None] == used[:, None, :]
    if not padding_sees_padding:
        same &= used[:, :, None] | torch.eye(used.shape[1], dtype=torch.bool, device=used.device)
    blocked = None if bool(same.all()) else ~same
    unobserved = (~window.observed).flatten().nonzero()[:, 0]
    predicted = unobserved if 0 < len(unobserved) < window.observed.numel() else None
    if buckets is not None:
        return Positions(None, bucket_of(difference, buckets), blocked, predicted)
    distance = torch.stack(
        [
            torch.log1p(difference.clamp(min=0).float()),
            torch.log1p((-difference).clamp(min=0).float()),
            (difference == 0).float(),
        ],
        dim=-1,
    )
    return Positions(distance, None, blocked, predicted)


def bucket_of(difference: Int[Tensor, " ..."], buckets: Buckets) -> Int[Tensor, " ..."]:
    """The bucket of a signed distance: Wu et al. 2021, eq. 18."""
    size = difference.abs()
    if buckets.gamma > buckets.alpha:
        growth = torch.log(size.clamp(min=1) / buckets.alpha) / math.log(buckets.gamma / buckets.alpha)
        far = (buckets.alpha + growth * (buckets.beta - buckets.alpha)).clamp(max=buckets.beta)
    else:
        far = torch.full_like(size, buckets.beta)
    return torch.where(size > buckets.alpha, far.to(difference.dtype) * difference.sign(), difference)


class EncodingNetwork(nn.Module):
    """R as a function of the frame distance and the diffusion step."""

    def __init__(self, channels: int, emb_channels: int) -> None:
        super().__init__()
        self.embed_distances = nn.Linear(3, channels)
        self.embed_diffusion_time = nn.Linear(emb_channels, channels)
        self.out = zeroed(nn.Linear(channels, channels))

    def forward(
        self, distance: Float[Tensor, "B K K 3"], emb: Float[Tensor, "B k E"]
    ) -> Float[Tensor, "B K K C"]:
        hidden = self.embed_diffusion_time(emb)[:, :, None] + self.embed_distances(distance)
        return self.out(F.silu(hidden))


class RelativePositionEncoding(nn.Module):
    """R for every pair of frames of a window, per head."""

    def __init__(self, channels: int, heads: int, emb_channels: int, buckets: Buckets | None) -> None:
        super().__init__()
        self.heads = heads
        if buckets is None:
            self.rpe_net = EncodingNetwork(channels, emb_channels)
        else:
            table = torch.zeros(2 * buckets.beta + 1, heads, channels // heads)
            self.lookup_table_weight = nn.Parameter(table)

    def forward(self, positions: Positions, emb: Float[Tensor, "B k E"]) -> Float[Tensor, "B K K heads F"]:
        if positions.bucket is not None:
            return self.lookup_table_weight[positions.bucket]
        encoding = self.rpe_net(positions.distance, emb)
        return encoding.unflatten(-1, (self.heads, -1))


class TemporalAttention(nn.Module):
    """Each place of the image attends over the frames of the window."""

    def __init__(self, channels: int, heads: int, emb_channels: int, buckets: Buckets | None) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj_out = zeroed(nn.Linear(channels, channels))
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.rpe_q = RelativePositionEncoding(channels, heads, emb_channels, buckets)
        self.rpe_k = RelativePositionEncoding(channels, heads, emb_channels, buckets)
        self.rpe_v = RelativePositionEncoding(channels, heads, emb_channels, buckets)

    def forward(
        self, h: Float[Tensor, "B K P C"], emb: Float[Tensor, "B k E"], positions: Positions
    ) -> Float[Tensor, "B K P C"]:
        """Each of the P places is normalised over its K frames. Axes: b, place p, head n, frames t and s, feature f.

        In logits and weights places are the last axis, for along it a softmax over a few frames is slow.
        """
        h = norm_over_frames(self.norm, h)
        parameters = zip(self.qkv.weight.chunk(3), self.qkv.bias.chunk(3), strict=True)
        q, k, v = (F.linear(h, *pair).unflatten(-1, (self.heads, -1)) for pair in parameters)  # b t p n f
        # Copying k into that order takes less than a product with a transposed k does more.
        products = q.permute(0, 2, 3, 1, 4) @ k.permute(0, 2, 3, 4, 1).contiguous()  # b p n t s
        logits = self._on_encodings(q, k, emb, positions) + products.permute(0, 3, 2, 4, 1)  # b t n s p
        if positions.blocked is not None:
            logits = logits.masked_fill(positions.blocked[:, :, None, :, None], -torch.inf)
        weights = (logits * self.scale).softmax(dim=3)
        out = weights.permute(0, 4, 2, 1, 3) @ v.permute(0, 2, 3, 1, 4)  # b p n t f
        on_values = weights.transpose(3, 4) @ self.rpe_v(positions, emb).transpose(2, 3)  # b t n p f
        out = (out.permute(0, 3, 1, 2, 4) + on_values.transpose(2, 3)).flatten(3)
        return h + self.proj_out(out)

    def _on_encodings(
        self,
        q: Float[Tensor, "B K P heads F"],
        k: Float[Tensor, "B K P heads F"],
        emb: Float[Tensor, "B k E"],
        positions: Positions,
    ) -> Float[Tensor, "B K heads K P"]:
        """Queries times encodings of keys, and keys times encodings of queries: for each pair t, s of frames."""
        q, k = (x.transpose(2, 3).contiguous().transpose(3, 4) for x in (q, k))  # b t n f p
        on_keys = self.rpe_k(positions, emb).transpose(2, 3) @ q  # b t n s p
        on_queries = self.rpe_q(positions, emb).transpose(2, 3) @ k  # b s n t p
        return on_keys + on_queries.transpose(1, 3)


def norm_over_frames(norm: nn.GroupNorm, h: Float[Tensor, "B K P C"]) -> Float[Tensor, "B K P C"]:
    """What `norm` makes of each place's frames, `[C, K]`, without bringing them into that order; in float32."""
    h = h.float()  # also where products are of bfloat16
    groups = (norm.num_groups, -1)
    mean = h.mean(dim=1, keepdim=True).unflatten(-1, groups).mean(dim=-1, keepdim=True)
    h = h - mean.expand(-1, -1, -1, -1, h.shape[-1] // norm.num_groups).flatten(3)
    variance = h.square().mean(dim=1, keepdim=True).unflatten(-1, groups).mean(dim=-1, keepdim=True)
    scale = (variance + norm.eps).rsqrt() * norm.weight.unflatten(0, groups)
    return torch.addcmul(norm.bias, h, scale.flatten(3))


class SpatialAttention(nn.Module):
    """Each frame attends over its own places."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj_out = zeroed(nn.Linear(channels, channels))
        self.norm = nn.GroupNorm(GROUPS, channels)

    def forward(self, h: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        height, width = h.shape[-2:]
        h = self.norm(h).permute(0, 2, 3, 1).flatten(1, 2)  # N P C
        q, k, v = self.qkv(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v)
        h = h + self.proj_out(out.transpose(1, 2).flatten(2))
        return h.unflatten(1, (height, width)).permute(0, 3, 1, 2)


class FactorizedAttentionBlock(nn.Module):
    """Attention over time, then over space."""

    def __init__(self, channels: int, heads: int, emb_channels: int, buckets: Buckets | None) -> None:
        super().__init__()
        self.spatial_attention = SpatialAttention(channels, heads)
        self.temporal_attention = TemporalAttention(channels, heads, emb_channels, buckets)

    def forward(
        self,
        h: Float[Tensor, "N C H W"],
        emb: Float[Tensor, "B k E"],
        positions: Positions,
        kept: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "n C H W"]:
        """kept: the frames of which an output is wanted, by default all."""
        batch, (frames, _, height, width) = emb.shape[0], h.shape
        places = h.permute(0, 2, 3, 1).reshape(batch, frames // batch, height * width, -1)
        places = self.temporal_attention(places, emb, positions)
        h = chosen(places.view(frames, height, width, -1).permute(0, 3, 1, 2), kept)
        return self.spatial_attention(h)
