"""What FVD and its kin need of a video: the logits of I3D, of all of it or of windows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from viddiff.errors import InputError
from viddiff.files.archives import is_torchscript
from viddiff.files.write import sha256_file
from viddiff.metrics.base import Rows, Videos, descriptor
from viddiff.metrics.i3d import SIZE, build_i3d
from viddiff.metrics.i3d_weights import I3D_WEIGHTS, default_i3d, load_i3d, published_tensors
from viddiff.metrics.resize import resize_bilinear
from viddiff.metrics.settings import MetricSettings
from viddiff.metrics.torchscript import call_torchscript, load_torchscript
from viddiff.metrics.weight_files import tensors_sha256
from viddiff.precision import rows_per_call
from viddiff.video import to_model

FEWEST_FRAMES = 9  # fewer leave nothing to average over
WINDOW = 16  # frames
FRAMES_PER_CALL = 1024  # on a GPU
BLACK_AGAINST_WHITE, TOLERANCE = 151.392, 0.01  # FVD of videos of 30 frames by the original's network

Part = Callable[[slice], Float[Tensor, "B 3 t 224 224"]]


class Logits(NamedTuple):
    """A network: `of(part, length)` gives logits `[B, 400]` of videos in [-1, 1] of which `part(frames)` gives some.

    `source`, `sha256`: where its weights are from, and what they are.
    """

    of: Callable[[Part, int], Float[Tensor, "B 400"]]
    source: str
    sha256: str


def network_of(settings: MetricSettings) -> Logits:
    """The network of the settings, on their device. Raises `InputError` if it cannot be had, or is not FVD's."""
    if settings.fvd.weights is not None:
        return _named_network(settings.fvd.weights, settings.device)
    return _known_network(settings.i3d or default_i3d(), settings.device)


@cache
def _known_network(path: Path, device: str) -> Logits:
    weights = load_i3d(path)
    return Logits(build_i3d(weights.tensors, device).logits_of, weights.source, I3D_WEIGHTS.sha256)


@cache
def _named_network(path: Path, device: str) -> Logits:
    """That in a file of the user's: a state dict or, since the user named it, a program."""
    if not path.is_file():
        raise InputError(f"{path} is missing: metrics.fvd.weights names it")
    if is_torchscript(path):
        script = load_torchscript(path, device)

        def of(part: Part, length: int) -> Tensor:
            grey_levels = part(slice(0, length)) * 127.5 + 127.5
            options = {"rescale": True, "resize": True, "return_features": True}
            return call_torchscript(path, script, grey_levels, **options)

        network = Logits(of, path.name, sha256_file(path))
    else:
        tensors = published_tensors(path)
        digest = tensors_sha256(tensors)
        try:
            network = Logits(build_i3d(tensors, device).logits_of, path.name, digest)
        except (KeyError, RuntimeError) as error:
            raise InputError(f"{path} does not hold I3D: {str(error).splitlines()[0]}") from error
        if digest == I3D_WEIGHTS.sha256:
            return network
    distance = _black_against_white(network, device)
    if not abs(distance - BLACK_AGAINST_WHITE) <= TOLERANCE:
        raise InputError(
            f"{path} is not the network of FVD: black against white gives {distance:.3f}, must be "
            f"{BLACK_AGAINST_WHITE} ± {TOLERANCE}; under metrics.extractors its numbers have a name of their own"
        )
    return network


def _black_against_white(network: Logits, device: str) -> float:
    """FVD of black against white videos of 30 frames: they differ in nothing but their means."""

    def logits(level: float) -> Tensor:
        return network.of(
            lambda frames: torch.full((1, 3, frames.stop - frames.start, SIZE, SIZE), level, device=device),
            30,
        ).double()

    return float((logits(-1.0) - logits(1.0)).square().sum())


def first_frame(obs_length: int, settings: MetricSettings) -> int:
    """The first frame that the network sees."""
    return obs_length if settings.fvd.frames == "generated" else 0


def network_input(
    frames: UInt8[np.ndarray, "B T C H W"], device: str, size: int, half_pixel: bool
) -> Float[Tensor, "B 3 T {size} {size}"]:
    """Frames in [-1, 1] at the size of a network, grey ones in three channels.

    Raises `InputError` for other than one or three channels.
    """
    channels = frames.shape[2]
    if channels not in (1, 3):
        raise InputError(f"frames have {channels} channels, must have 3, or 1 that is repeated")
    x = resize_bilinear(to_model(torch.from_numpy(frames).to(device)), size, half_pixel)
    return x.expand(-1, -1, 3, -1, -1).transpose(1, 2).contiguous()


def _logits(frames: UInt8[np.ndarray, "B T C H W"], settings: MetricSettings) -> Rows:
    """Logits of each video. On a processor each has a call of its own, so that its bits depend on no other."""
    length = frames.shape[1]
    if length < FEWEST_FRAMES:
        raise InputError(
            f"I3D needs {FEWEST_FRAMES} frames or more, found {length} (frames: {settings.fvd.frames})"
        )
    network, half_pixel = network_of(settings), settings.fvd.resize == "half-pixel"
    step = rows_per_call(settings.device, max(1, FRAMES_PER_CALL // length))
    found = []
    for i in range(0, len(frames), step):
        batch = frames[i : i + step]

        def part(times: slice, batch: np.ndarray = batch) -> Tensor:
            return network_input(batch[:, times], settings.device, SIZE, half_pixel)

        found.append(network.of(part, length).cpu().numpy())
    return np.concatenate(found)


def protocol(settings: MetricSettings) -> dict[str, Any]:
    network = network_of(settings)
    return {
        "network": "I3D, Kinetics-400, logits",
        "weights_source": network.source,
        "weights_sha256": network.sha256,
        "size": SIZE,
        "resize": settings.fvd.resize,
        "input_range": [-1, 1],
        "frames": settings.fvd.frames,
    }


@descriptor("i3d", protocol=protocol, kept=True, first=first_frame, fewest_frames=FEWEST_FRAMES)
def i3d(videos: Videos, obs_length: int, settings: MetricSettings) -> Rows:
    """The 400 logits of each video, float32.

    Raises `InputError` for fewer than 9 frames, and for other than one or three channels.
    """
    return _logits(videos[:, first_frame(obs_length, settings) :], settings)


def window_protocol(settings: MetricSettings) -> dict[str, Any]:
    return protocol(settings) | {"windows": f"{WINDOW} frames, consecutive"}


@descriptor(
    "i3d-windows", protocol=window_protocol, kept=True, first=first_frame, fewest_frames=WINDOW, beyond=True
)
def i3d_windows(videos: Videos, obs_length: int, settings: MetricSettings) -> Rows:
    """The logits of consecutive windows of 16 frames, at the same place in all videos: `[B, windows * 400]`, float32.

    What is left at the end of a video counts not. Raises `InputError` for fewer than 16 frames, and for other than one
    or three channels.
    """
    frames = videos[:, first_frame(obs_length, settings) :]
    count = frames.shape[1] // WINDOW
    if count == 0:
        raise InputError(
            f"windows have {WINDOW} frames, found {frames.shape[1]} (frames: {settings.fvd.frames})"
        )
    windows = frames[:, : count * WINDOW].reshape(-1, WINDOW, *frames.shape[2:])
    return _logits(windows, settings).reshape(len(videos), -1)
