"""Speed of the metrics against calling scikit-image per frame and channel, and lpips per frame: one thread.

    python tests/benchmarks/metrics.py [--frames 50] [--size 64] [--alexnet .weights/alexnet.pt]

Exits with 1 if PSNR and SSIM together are less than five times faster.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lpips as reference_lpips
import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from viddiff.metrics.base import MetricSettings, metric
from viddiff.metrics.weights import load_alexnet
from viddiff.video import to_model

SAMPLES = 3


def moving_pattern(frames: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth test video and noisy samples of it: uint8 `[T, 3, S, S]` and `[N, T, 3, S, S]`."""
    rng = np.random.default_rng(0)
    t, c, y, x = np.ogrid[:frames, :3, :size, :size]
    video = 127 + 100 * np.sin(x / 5 + t / 7 + c) * np.cos(y / 9 - t / 11)
    samples = video + rng.normal(0, 12, (SAMPLES, *video.shape))
    return video.astype(np.uint8), np.clip(samples, 0, 255).astype(np.uint8)


def per_channel(measure: Callable[..., float], samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """One call per frame and channel on float32 frames in [0, 1], as the original does."""
    truth = truth / np.float32(255.0)
    result = np.zeros(samples.shape[:2])
    for i, t in np.ndindex(result.shape):
        sample = samples[i, t] / np.float32(255.0)
        result[i, t] = np.mean([measure(truth[t, c], sample[c], data_range=1.0) for c in range(3)])
    return result


def lpips_per_frame(network: torch.nn.Module, samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    result = np.zeros(samples.shape[:2])
    with torch.no_grad():
        for i, t in np.ndindex(result.shape):
            result[i, t] = network(to_model(samples[i, t][None]), to_model(truth[t][None])).item()
    return result


def lpips_package(alexnet: Path) -> torch.nn.Module:
    network = reference_lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    tensors = load_alexnet(alexnet).tensors
    for i in range(5):
        convolution = next(m for m in getattr(network.net, f"slice{i + 1}") if isinstance(m, torch.nn.Conv2d))
        convolution.weight.data, convolution.bias.data = tensors[f"conv{i}.weight"], tensors[f"conv{i}.bias"]
    return network


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, np.ndarray]:
    """Processor seconds of the fastest of three calls, after one to warm up; and the result."""
    result = function(*arguments)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        function(*arguments)
        seconds.append(time.process_time() - start)
    return min(seconds), np.asarray(result)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--alexnet", type=Path, default=Path(".weights/alexnet.pt"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    truth, samples = moving_pattern(arguments.frames, arguments.size)
    settings = MetricSettings(alexnet=arguments.alexnet)
    network = lpips_package(arguments.alexnet)

    references = {
        "psnr": lambda: per_channel(peak_signal_noise_ratio, samples, truth),
        "ssim": lambda: per_channel(structural_similarity, samples, truth),
        "lpips": lambda: lpips_per_frame(network, samples, truth),
    }
    print(f"{SAMPLES} samples of {arguments.frames} frames {arguments.size}x{arguments.size}, one thread")
    print(f"{'':10}{'per frame':>12}{'here':>10}{'ratio':>8}   largest difference")
    times = {}
    for name, reference in references.items():
        slow, theirs = timed(reference)
        fast, ours = timed(metric.find(name).compute, samples, truth, settings)
        times[name] = (slow, fast)
        print(f"{name:10}{slow:10.3f} s{fast:8.3f} s{slow / fast:8.1f}   {np.abs(theirs - ours).max():.1e}")
    slow, fast = (times["psnr"][k] + times["ssim"][k] for k in (0, 1))
    print(f"{'psnr+ssim':10}{slow:10.3f} s{fast:8.3f} s{slow / fast:8.1f}")
    return 0 if slow / fast >= 5 else 1


if __name__ == "__main__":
    sys.exit(main())
