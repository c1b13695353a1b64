"""How fast a device makes whole videos, and what the networks of metrics take.

Sections of `gpu.py`: each yields rows of tables, and remarks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.apart import Row
from benchmarks.documented import ORIGINAL_STEPS, RESPACING, SAMPLER
from benchmarks.gpu_network import NETWORKS, ORIGINAL, Found, Network, clock, figure, seconds_of

from viddiff.call_size import WINDOWS_PER_CALL
from viddiff.device import find_device
from viddiff.diffusion.process import diffusion_of
from viddiff.inference.plan import waves as waves_of
from viddiff.metrics.i3d_rows import i3d
from viddiff.metrics.lpips import lpips
from viddiff.metrics.settings import MetricSettings

TRIAL = "ddim", "ddim4"  # sampler and respacing
WARMING = "ddim", "1"


def made(
    net: Network, mode: str, way: tuple[str, str], videos: int, windows: int | None = None
) -> tuple[float, np.ndarray]:
    """Seconds for some videos of noise, and their frames. windows: of a call, by default as many as memory holds."""
    model = replace(
        net.model, sampler=way[0], respacing=way[1], diffusion=diffusion_of(net.model.config, way[1])
    )
    completion = model.completion(mode)
    r = np.random.default_rng(0)
    shape = (videos, completion.plan.length, 3, net.size, net.size)
    given = torch.from_numpy(r.integers(0, 256, shape, dtype=np.uint8))
    calls = completion.call_size(windows)
    start = clock(net.device)
    frames = completion.run(given, range(videos), 0, calls=calls).frames
    return clock(net.device) - start, frames


def waves(device: str, toy: bool, weights: Path, found: Found) -> Iterator[Row]:
    """One video with one window in a call, and with several of a wave."""
    length, observed = (6, 2) if toy else (300, 36)
    for name in NETWORKS:
        net = Network(name, device, toy, length)
        for strategy in ("autoreg", "google", "hierarchy-5")[: 1 if toy else None]:
            mode = net.mode(strategy, length, observed)
            plan = net.model.completion(mode).plan
            made(net, mode, WARMING, 1, WINDOWS_PER_CALL)
            one, alone = made(net, mode, TRIAL, 1, 1)
            several, together = made(net, mode, TRIAL, 1, WINDOWS_PER_CALL)
            yield {
                "network": name,
                "mode": mode,
                "stages": len(plan.stages),
                "waves": len(waves_of(plan)),
                "s, one window a call": one,
                f"s, up to {WINDOWS_PER_CALL}": several,
                "times as fast": one / several,
                "grey levels apart": int(np.abs(alone.astype(int) - together).max()),
            }


def videos(device: str, toy: bool, weights: Path, found: Found) -> Iterator[Row]:
    """Whole videos by the documented sampler; and by the original's way, reckoned from its calls of one window."""
    length, observed, count = (6, 2, 1) if toy else (300, 36, WINDOWS_PER_CALL)
    for name in NETWORKS:
        net = Network(name, device, toy, length)
        mode = net.mode("autoreg", length, observed)
        stages = len(net.model.completion(mode).plan.stages)
        one = figure(found.get("network", []), "ms per window", network=name, windows=1, precision=ORIGINAL)
        made(net, mode, WARMING, count)
        seconds = made(net, mode, (SAMPLER, RESPACING), count)[0] / count
        theirs = one and 1e-3 * one * stages * ORIGINAL_STEPS
        yield {
            "network": name,
            "mode": mode,
            "sampler": f"{SAMPLER} {RESPACING}",
            "precision": net.model.precision,
            "videos at once": count,
            "videos per hour": 3600 / seconds,
            "by the original's way, reckoned": theirs and 3600 / theirs,
            "times as fast": theirs and theirs / seconds,
        }


def metrics(device: str, toy: bool, weights: Path, found: Found) -> Iterator[Row]:
    """LPIPS and I3D."""
    place = find_device(device)
    length, count = (9, 1) if toy else (300, 16)
    r = np.random.default_rng(0)
    content = r.integers(0, 256, (count, length, 3, 64, 64), dtype=np.uint8)
    settings = MetricSettings(device, alexnet=weights / "alexnet.pt", i3d=weights / "i3d.pt")
    computations = {
        "LPIPS": (settings.alexnet, lambda rows: lpips(rows, content[0], settings)),
        "I3D": (settings.i3d, lambda rows: i3d(rows, 0, settings)),
    }
    for name, (file, compute) in computations.items():
        if not file.is_file():
            yield f"{name} is left out: its weights are not there, {file} (docs/metrics.md)"
            continue
        seconds = seconds_of(lambda compute=compute: compute(content), place, 0.0)
        yield {
            "network": name,
            "frames per second": count * length / seconds,
            "s for 100 videos of 300 frames": 30_000 * seconds / (count * length),
            "row alone": float(np.abs(compute(content)[:1] - compute(content[:1])).max()),
        }
