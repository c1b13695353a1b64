"""Time and memory of I3D, the network of FVD, for videos of several lengths on a device.

    python tests/benchmarks/fvd.py [--device auto] [--lengths 16 60 300 1000] [--size 64] [--weights FILE] [--videos N]

Each length is measured in a process of its own, whose peak memory is all that FVD needs. On a CPU: processor seconds of
one thread, and those of 100 videos extrapolated. On a GPU: 100 videos of 300 frames are measured, too, one at a time
and in batches. Needs torch, NumPy, jaxtyping and the weights alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from viddiff.metrics import i3d_rows
from viddiff.metrics.settings import MetricSettings

VIDEOS = 100


class Cost(NamedTuple):
    """Of a call: seconds, the process's peak and the GPU's, both in bytes."""

    seconds: float
    memory: int
    gpu_memory: int


def measure(
    device: str, weights: Path | None, videos: int, length: int, size: int, frames_per_call: int
) -> Cost:
    """The rows of so many random videos; on a GPU the second of two calls counts, since the first chooses kernels."""
    torch.set_num_threads(1)
    clock = time.process_time if device == "cpu" else time.perf_counter
    i3d_rows.FRAMES_PER_CALL = frames_per_call
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, (videos, length, 3, size, size), dtype=np.uint8)
    settings, compute = MetricSettings(device, i3d=weights), i3d_rows.i3d
    if device != "cpu":
        compute(batch[: max(1, frames_per_call // length)], 0, settings)
        torch.cuda.reset_peak_memory_stats()
    else:
        i3d_rows.network_of(settings)
    start = clock()
    compute(batch, 0, settings)
    seconds = clock() - start
    peak = torch.cuda.max_memory_allocated() if device != "cpu" else 0
    return Cost(seconds, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, peak)


def apart(*arguments: object) -> Cost:
    """`measure` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)


def row(what: str, videos: int, cost: Cost) -> str:
    per_hundred = cost.seconds * VIDEOS / videos
    gpu = f"{cost.gpu_memory / 1e9:8.2f} GB" if cost.gpu_memory else f"{'':>11}"
    return f"{what:42}{cost.seconds:9.2f} s{per_hundred:11.1f} s{cost.memory / 1e9:9.2f} GB{gpu}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 60, 300, 1000])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--weights", type=Path, help="the file made by fetch_i3d; the machine's if not given")
    parser.add_argument("--videos", type=int, default=VIDEOS, help="that a GPU measures of 300 frames")
    given = parser.parse_args(arguments)
    device = given.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name() if device == "cuda" else "CPU, one thread"
    print(f"{where}, torch {torch.__version__}, frames {given.size}x{given.size}")
    print(f"{'':42}{'time':>11}{'of 100':>13}{'process':>12}{'GPU' if device == 'cuda' else '':>11}")
    for length in given.lengths:
        cost = apart(device, given.weights, 1, length, given.size, 1)
        print(row(f"1 video of {length} frames", 1, cost), flush=True)
    if device == "cuda":
        for frames in (1, 600, 1200, 2400, 4800):
            batch = max(1, frames // 300)
            cost = apart(device, given.weights, given.videos, 300, given.size, frames)
            print(
                row(f"{given.videos} videos of 300 frames, {batch} in a call", given.videos, cost), flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
