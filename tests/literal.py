"""The network computed operation by operation as the original does: the reference for equality and for speed.

It runs on the modules of one of our networks, so both have the same weights. Nothing is shared or fused: the diffusion
step is embedded for every frame, frame distances are computed in every layer, products with relative encodings are
einsums, SiLU is `x * sigmoid(x)`. Weights should be in contiguous memory (see `literal_copy`). One thing is left out:
the original computes the encodings' product with the values twice and drops one.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viddiff.model.attention import (
    FactorizedAttentionBlock,
    RelativePositionEncoding,
    SpatialAttention,
    TemporalAttention,
)
from viddiff.model.blocks import Downsample, ResBlock, Upsample
from viddiff.model.unet import Layers, UNetVideoModel
from viddiff.window import Window


def literal_copy(model: UNetVideoModel) -> UNetVideoModel:
    """The same weights in the memory layout of the original."""
    return copy.deepcopy(model).to(memory_format=torch.contiguous_format)


def literal_forward(model: UNetVideoModel, x_t: Tensor, t: Tensor, window: Window) -> Tensor:
    """What `model(x_t, t, window)` computes, the long way."""
    arch = model.arch
    batch, frames, _, height, width = x_t.shape
    times = t.view(batch, 1).expand(batch, frames).clone()
    observed = window.observed.to(x_t.dtype).view(batch, frames, 1, 1, 1)
    latent = window.latent.to(x_t.dtype).view(batch, frames, 1, 1, 1)
    used = (observed + latent).clip(max=1)
    one = torch.ones_like(x_t[:, :, :1])
    kind = arch.conditioning.removesuffix("-initzero")
    x = x_t * latent + window.frames * observed + x_t * (1 - used)
    if kind == "channel":
        x = torch.cat([x, one * observed, one * 0.0], dim=2)
    elif kind == "indicator":
        x = torch.cat([x_t * (1 - observed) + window.frames * observed, one * observed], dim=2)
    elif kind == "duplicate":
        x = torch.cat([x_t * latent + x_t * (1 - used), window.frames * observed], dim=2)
    else:
        times[window.observed] = -1
    emb = model.time_embed[0](_sinusoids(times.reshape(-1), arch.model_channels, 10_000))
    emb = model.time_embed[2](_silu(emb))
    context = (emb, window.frame_index, used.view(batch, frames), arch)
    h = x.reshape(batch * frames, -1, height, width)
    skips = []
    for number, block in enumerate(model.input_blocks):
        h = _layers(block, h, *context)
        skips.append(h)
        if number == model.encoding_block:
            if arch.spatial_encoding:
                h = h + model.spatial_encoding
            if arch.frame_encoding_period is not None:
                index = window.frame_index.float()
                if arch.centre_frame_encoding:
                    index = index - index.mean(dim=1, keepdim=True)
                index = _sinusoids(index.reshape(-1), h.shape[1], arch.frame_encoding_period)
                h = h + index.view(batch * frames, -1, 1, 1)
    h = _layers(model.middle_block, h, *context)
    for block in model.output_blocks:
        h = _layers(block, torch.cat([h, skips.pop()], dim=1), *context)
    h = model.out[2](_silu(model.out[0](h)))
    return h.view(batch, frames, -1, height, width)


class LiteralNetwork:
    """The original's network where a `viddiff.diffusion.denoiser.Network` is wanted."""

    def __init__(self, model: UNetVideoModel) -> None:
        self.model = literal_copy(model)

    def __call__(self, x_t: Tensor, t: Tensor, window: Window, positions: None = None, /) -> Tensor:
        return literal_forward(self.model, x_t, t, window)

    def positions(self, window: Window, /) -> None:
        """Nothing: the original computes them in every layer."""


def _silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def _sinusoids(position: Tensor, dim: int, max_period: float) -> Tensor:
    half = dim // 2
    frequencies = torch.exp(-math.log(max_period) * torch.arange(0, half, dtype=torch.float32) / half)
    angles = position[:, None].float() * frequencies.to(position.device)[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


def _layers(block: Layers, h: Tensor, emb: Tensor, index: Tensor, used: Tensor, arch: object) -> Tensor:
    for layer in block:
        if isinstance(layer, ResBlock):
            h = _res_block(layer, h, emb)
        elif isinstance(layer, FactorizedAttentionBlock):
            h = _attention_block(layer, h, emb, index, used, arch)
        elif isinstance(layer, Downsample):
            h = layer.op(h)
        elif isinstance(layer, Upsample):
            h = layer.conv(F.interpolate(h, scale_factor=2, mode="nearest"))
        else:
            h = layer(h)
    return h


def _res_block(layer: ResBlock, x: Tensor, emb: Tensor) -> Tensor:
    norm, _, convolution = layer.in_layers
    h = convolution(_silu(norm(x)))
    condition = layer.emb_layers[1](_silu(emb))[:, :, None, None]
    norm, _, dropout, convolution = layer.out_layers
    if layer.scale_shift:
        scale, shift = torch.chunk(condition, 2, dim=1)
        h = norm(h) * (1 + scale) + shift
    else:
        h = norm(h + condition)
    return layer.skip_connection(x) + convolution(dropout(_silu(h)))


def _attention_block(
    layer: FactorizedAttentionBlock, x: Tensor, emb: Tensor, index: Tensor, used: Tensor, arch: object
) -> Tensor:
    rows, channels, height, width = x.shape
    batch, frames = index.shape
    x = x.view(batch, frames, channels, height, width).permute(0, 3, 4, 2, 1)
    x = x.reshape(batch, height * width, channels, frames)
    x = _attention(layer.temporal_attention, x, emb, index, used, arch)
    x = x.view(batch, height, width, channels, frames).permute(0, 4, 3, 1, 2)
    x = x.reshape(batch, frames, channels, height * width)
    x = _attention(layer.spatial_attention, x, emb, None, None, arch)
    return x.reshape(rows, channels, height, width)


def _attention(
    layer: TemporalAttention | SpatialAttention,
    x: Tensor,
    emb: Tensor,
    index: Tensor | None,
    used: Tensor | None,
    arch: object,
) -> Tensor:
    """Over the last axis of x `[B, D, C, T]`."""
    batch, other, channels, length = x.shape
    x = layer.norm(x.reshape(batch * other, channels, length)).view(batch, other, channels, length)
    x = torch.einsum("bdct->bdtc", x)
    qkv = layer.qkv(x).reshape(batch, other, length, 3, layer.heads, channels // layer.heads)
    q, k, v = torch.einsum("bdtqhf->qbdhtf", qkv).unbind(0)
    scale = (channels // layer.heads) ** -0.5
    q = q * scale
    weights = q @ k.transpose(-2, -1)
    if index is not None:
        distance = index.unsqueeze(-1) - index.unsqueeze(-2)
        encoding = _encoding(layer.rpe_k, distance, emb, arch)
        weights += torch.einsum("bdhtf,btshf->bdhts", q, encoding)
        encoding = _encoding(layer.rpe_q, distance, emb, arch)
        weights += torch.einsum("bdhtf,btshf->bdhts", k * scale, encoding).transpose(-1, -2)
        allowed = used.view(batch, 1, length) * used.view(batch, length, 1)
        if arch.padding_sees_padding:
            allowed += (1 - used.view(batch, 1, length)) * (1 - used.view(batch, length, 1))
        else:
            allowed[:, range(length), range(length)] = 1.0
        blocked = 1 - allowed
        blocked[blocked == 1] = torch.inf
        weights = weights - blocked.view(batch, 1, 1, length, length)
    weights = torch.softmax(weights, dim=-1)
    out = weights @ v
    if index is not None:
        out += torch.einsum("bdhts,btshf->bdhtf", weights, _encoding(layer.rpe_v, distance, emb, arch))
    out = torch.einsum("bdhtf->bdthf", out).reshape(batch, other, length, channels)
    return torch.einsum("bdtc->bdct", x + layer.proj_out(out))


def _encoding(layer: RelativePositionEncoding, distance: Tensor, emb: Tensor, arch: object) -> Tensor:
    batch, length, _ = distance.shape
    if arch.buckets is not None:
        return layer.lookup_table_weight[literal_bucket(distance, arch.buckets)]
    net: nn.Module = layer.rpe_net
    features = torch.stack(
        [
            torch.log(1 + distance.clamp(min=0)),
            torch.log(1 + (-distance).clamp(min=0)),
            (distance == 0).float(),
        ],
        dim=-1,
    )
    hidden = net.embed_diffusion_time(emb).view(batch, length, 1, -1) + net.embed_distances(features)
    return net.out(_silu(hidden)).view(batch, length, length, layer.heads, -1)


def literal_bucket(distance: Tensor, buckets: object) -> Tensor:
    bucket = distance.clone()
    far = bucket.abs() > buckets.alpha
    growth = torch.log(bucket[far].abs() / buckets.alpha) / math.log(buckets.gamma / buckets.alpha)
    size = torch.minimum(torch.tensor(buckets.beta), buckets.alpha + growth * (buckets.beta - buckets.alpha))
    bucket[far] = size.int() * torch.sign(bucket[far])
    return bucket
