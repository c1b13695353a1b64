"""Networks of the user's, such as VideoMAE or V-JEPA, as descriptors, and two metrics of sets with each.

`<name>` gives the rows of the network that the settings call so. `fd-<name>` is the Fréchet distance of rows, which
with features that mind motion is the content-debiased FVD of Ge et al. 2024. `kd-<name>` is the distance of JEDi (Luo
et al. 2024): 100 times the biased squared maximum mean discrepancy with the kernel (x . y / D)^2.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import torch

from viddiff.errors import InputError
from viddiff.files.write import sha256_file
from viddiff.metrics.base import (
    Descriptor,
    Facts,
    Rows,
    SetMetric,
    Videos,
    descriptor,
    set_metric,
)
from viddiff.metrics.frechet import frechet_distance
from viddiff.metrics.fvd import BIASED_BELOW
from viddiff.metrics.fvd import protocol as fvd_protocol
from viddiff.metrics.i3d_rows import first_frame, network_input
from viddiff.metrics.settings import DISTANCES, MetricSettings
from viddiff.metrics.torchscript import call_torchscript, load_torchscript
from viddiff.precision import rows_per_call

CLIPS_PER_CALL = 16  # on a GPU


def find_descriptor(name: str, settings: MetricSettings) -> Descriptor:
    """The descriptor of that name: a network of the settings, or one of viddiff. Raises `InputError` if it is none."""
    if name not in settings.extractors:
        return descriptor.find(name)
    return Descriptor(
        partial(_rows, name),
        partial(_protocol, name),
        kept=True,
        first=first_frame,
        fewest_frames=settings.extractors[name].frames,
    )


def find_set_metric(name: str, settings: MetricSettings) -> SetMetric:
    """The metric of sets of that name: of a network of the settings, or one of viddiff. Raises `InputError` if it is
    none.
    """
    kind, _, network = name.partition("-")
    if kind not in DISTANCES or network not in settings.extractors:
        return set_metric.find(name)
    compute, protocol = {"fd": (_frechet, fvd_protocol), "kd": (_kernel_distance, _kernel_protocol)}[kind]
    return SetMetric(
        compute,
        network,
        protocol,
        better="lower",
        fewest_videos=2,
        biased_below=BIASED_BELOW,
        floor=True,
    )


def _rows(name: str, videos: Videos, obs_length: int, settings: MetricSettings) -> Rows:
    """The mean of the network's rows over the clips of each video, all of one batch of clips."""
    extractor = settings.extractors[name]
    network = load_torchscript(extractor.file, settings.device)
    frames = videos[:, first_frame(obs_length, settings) :]
    count = frames.shape[1] // extractor.frames
    if count == 0:
        raise InputError(f"{name} takes {extractor.frames} frames, found {frames.shape[1]}")
    clips = frames[:, : count * extractor.frames].reshape(-1, extractor.frames, *frames.shape[2:])
    step = rows_per_call(settings.device, CLIPS_PER_CALL)
    low, high = extractor.range
    found = []
    for i in range(0, len(clips), step):
        x = network_input(clips[i : i + step], settings.device, extractor.size, half_pixel=True)
        x = low + (x + 1) * ((high - low) / 2)
        x = x if extractor.layout == "BCTHW" else x.transpose(1, 2)
        found.append(call_torchscript(name, network, x.contiguous()))
    return torch.cat(found).double().view(len(videos), count, -1).mean(1).cpu().numpy()


_digest_of = cache(sha256_file)  # a file of gigabytes is read once in a process


def _protocol(name: str, settings: MetricSettings) -> dict[str, Any]:
    extractor = settings.extractors[name]
    return {
        "network": extractor.file.name,
        "weights_sha256": _digest_of(extractor.file),
        "clip_frames": extractor.frames,
        "clips": "consecutive, rows averaged",
        "size": extractor.size,
        "resize": "half-pixel",
        "input_range": list(extractor.range),
        "layout": extractor.layout,
        "frames": settings.fvd.frames,
    }


def _frechet(made: Rows, truth: Rows, facts: Facts) -> float:
    return frechet_distance(made, truth, facts.ddof)


def _kernel_protocol(settings: MetricSettings) -> dict[str, Any]:
    return {"kernel": "polynomial, degree 2, gamma 1/D, coefficient 0", "estimate": "biased, times 100"}


def _kernel_distance(made: Rows, truth: Rows, facts: Facts) -> float:
    x, y = made.astype(np.float64), truth.astype(np.float64)

    def likeness(a: Rows, b: Rows) -> float:
        return float(np.square(a @ b.T / a.shape[1]).mean())

    return 100 * (likeness(x, x) + likeness(y, y) - 2 * likeness(x, y))
