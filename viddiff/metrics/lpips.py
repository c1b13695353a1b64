"""Learned perceptual image patch similarity (Zhang et al. 2018, eq. 1) with AlexNet, version 0.1.

The distance of two images is a weighted squared difference of unit-normalised features, averaged over space
and summed over layers. With the weights and the averages put into the features, it is the squared Euclidean
distance of two *embeddings*: each frame passes through the network once, however many others it is compared
with.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from viddiff.errors import InputError
from viddiff.metrics.base import (
    MetricSettings,
    Samples,
    Truth,
    Values,
    check_size,
    frame_chunks,
    metric,
)
from viddiff.metrics.weight_files import Weights
from viddiff.metrics.weights import ALEXNET, default_alexnet, load_alexnet
from viddiff.precision import full_float32
from viddiff.video import to_model

SMALLEST_FRAME = 31  # below, nothing is left after the second pooling
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
STRIDE_AND_PADDING = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
POOL_BEFORE = (1, 2)
PIXELS_PER_CHUNK = 2**19


@torch.no_grad()
def embed(network: Weights, frames: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
    """Embeddings of frames in [-1, 1]; `(a - b).square().sum(-1)` of two of them is their LPIPS.

    D depends on H and W alone: 31872 for 64x64. Convolutions are done in full float32 on every device.
    """
    x = (frames - frames.new_tensor(SHIFT).view(3, 1, 1)) / frames.new_tensor(SCALE).view(3, 1, 1)
    x = x.contiguous(memory_format=torch.channels_last)
    layers = []
    with full_float32():
        for i, (stride, padding) in enumerate(STRIDE_AND_PADDING):
            if i in POOL_BEFORE:
                x = F.max_pool2d(x, 3, 2)
            weight, bias = network.tensors[f"conv{i}.weight"], network.tensors[f"conv{i}.bias"]
            x = F.conv2d(x, weight, bias, stride, padding).relu_()
            norm = x.square().sum(1, keepdim=True).sqrt_().add_(1e-10)
            scale = (network.tensors[f"head{i}.weight"] / (x.shape[2] * x.shape[3])).sqrt()
            layers.append((x / norm).mul_(scale.view(-1, 1, 1)).permute(0, 2, 3, 1).flatten(1))
    return torch.cat(layers, 1)


@cache
def shared_network(path: Path, device: str) -> Weights:
    """The network on a device, read once per process."""
    return load_alexnet(path, device)


def _weights_file(settings: MetricSettings) -> Path:
    return settings.alexnet or default_alexnet()


def protocol(settings: MetricSettings) -> dict[str, Any]:
    return {
        "network": "AlexNet, LPIPS 0.1",
        "input_range": [-1, 1],
        "weights_source": shared_network(_weights_file(settings), settings.device).source,
        "weights_sha256": ALEXNET.sha256,
    }


@metric(
    "lpips",
    protocol=protocol,
    higher_is_better=False,
    meaning=("How different a frame looks to a network (AlexNet) from that of the true video; 0 is equal."),
)
def lpips(samples: Samples, truth: Truth, settings: MetricSettings) -> Values:
    """LPIPS of each sample and frame, at least 0.

    Raises `InputError` for other than three channels and for frames under 31x31.
    """
    count, (length, _, height, width) = len(samples), truth.shape
    result = np.empty((count, length))
    for chunk in frame_chunks(length, height * width, PIXELS_PER_CHUNK):
        reference = embed_frames(truth[chunk], settings)
        for i in range(count):
            embedding = embed_frames(samples[i, chunk], settings)
            result[i, chunk] = embedding.sub_(reference).square_().sum(-1).cpu().numpy()
    return result


def embed_frames(frames: UInt8[np.ndarray, "t C H W"], settings: MetricSettings) -> Float[Tensor, "t D"]:
    """Embeddings of 8-bit frames, on the settings' device.

    Raises `InputError` for other than three channels and for frames under 31x31.
    """
    check_size(frames, SMALLEST_FRAME)
    if frames.shape[1] != 3:
        raise InputError(f"lpips needs frames of 3 channels, found {frames.shape[1]}")
    network = shared_network(_weights_file(settings), settings.device)
    return embed(network, to_model(torch.from_numpy(frames).to(settings.device)))
