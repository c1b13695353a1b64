"""The demo's figures: does the model know how balls move, and does it keep their brightness?

Run after `make demo`: `.venv/bin/python tests/benchmarks/demo.py`. For each mode of the grid: PSNR over the first ten
generated frames against that of repeating the last observed frame, and the mean brightness of all generated frames
relative to the true ones.
"""

from __future__ import annotations

import numpy as np

from viddiff.data import open_dataset
from viddiff.report.status import configured_grid
from viddiff.tree.paths import Evaluation

FRAMES = 10


def psnr(frames: np.ndarray, truth: np.ndarray) -> float:
    """Mean over frames `[T, C, H, W]`, in dB."""
    error = ((frames.astype(float) - truth) ** 2).mean(axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / error)))


def figures(run: Evaluation, videos: int, samples: int) -> tuple[float, float, float]:
    """PSNR of the samples, PSNR of the last observed frame, both in dB; ratio of brightness."""
    mode = run.mode
    first = mode.obs_length
    truth = open_dataset("bouncy_balls", "test", "data")
    sampled, repeated, bright = [], [], []
    for video in range(videos):
        true = truth.video(video, mode.T)
        soon = slice(first, first + FRAMES)
        repeated.append(psnr(np.repeat(true[first - 1 : first], FRAMES, axis=0), true[soon]))
        for sample in range(samples):
            frames = np.load(run.sample(video, sample), allow_pickle=False)
            sampled.append(psnr(frames[soon], true[soon]))
            bright.append((frames[first:].mean(), true[first:].mean()))
    ratio = np.mean([made for made, _ in bright]) / np.mean([true for _, true in bright])
    return float(np.mean(sampled)), float(np.mean(repeated)), float(ratio)


if __name__ == "__main__":
    grid = configured_grid()
    print(f"{'mode':45} PSNR of the first {FRAMES} frames   last frame repeated   brightness")
    for cell in grid:
        made, repeated, ratio = figures(cell.evaluation, cell.videos, cell.samples)
        print(f"{cell.evaluation.mode!s:45} {made:19.2f} dB {repeated:21.2f} dB {ratio:12.3f}")
