"""How many frames of a colour video become GIF and MP4 in a second of the processor: one thread each.

    python tests/benchmarks/animations.py [--frames 100] [--sizes 32 64 128]

Smooth patterns, and the same with noise, whose frames have more colours than a GIF takes: its slowest case. What ffmpeg
takes counts, too.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from viddiff.render.gif import write_gif
from viddiff.render.mp4 import write_mp4

WRITERS = {"gif": write_gif, "mp4": write_mp4}
REPEAT = 3


def moving_pattern(frames: int, size: int) -> dict[str, np.ndarray]:
    """A video, uint8 `[T, 3, S, S]`, smooth and with noise."""
    t, c, y, x = np.ogrid[:frames, :3, :size, :size]
    video = 127 + 100 * np.sin(x / 5 + t / 7 + c) * np.cos(y / 9 - t / 11)
    noise = np.random.default_rng(0).normal(0, 12, video.shape)
    return {"smooth": video.astype(np.uint8), "noisy": np.clip(video + noise, 0, 255).astype(np.uint8)}


def seconds() -> float:
    """Of the processor, by this process and those that it ran."""
    return sum(os.times()[:4])


def frames_per_second(ext: str, frames: np.ndarray, folder: Path) -> float:
    """Of the fastest of some calls."""
    taken = []
    for _ in range(REPEAT):
        start = seconds()
        WRITERS[ext](folder / f"video.{ext}", frames, 10)
        taken.append(seconds() - start)
    return len(frames) / max(min(taken), 0.01)  # what the clock can tell


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128])
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        for size in given.sizes:
            for kind, video in moving_pattern(given.frames, size).items():
                rates = (f"{ext} {frames_per_second(ext, video, Path(folder)):.0f}" for ext in WRITERS)
                print(f"{size}x{size}, {kind}: frames per second: {', '.join(rates)}", flush=True)


if __name__ == "__main__":
    main()
