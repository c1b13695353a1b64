"""Stages that run together against stages one by one, on the demo model, in one run.

    python tests/benchmarks/waves.py [--threads 2] [--frames 60] [--device cuda]

One video is completed by each mode twice: with one window per network call, and with up to eight. Calls and wall
times are printed, with their ratios; the samples must agree to rounding, or it exits with 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from viddiff.inference.combine import plan_of
from viddiff.inference.complete import complete
from viddiff.inference.plan import waves
from viddiff.inference.recipe import Recipe
from viddiff.seeds import SampleIdentity
from viddiff.video_model import VideoModel

STRATEGIES = ("autoreg", "independent", "google", "like-google", "hierarchy-5")
GIVEN, WINDOW, STEP_SIZE, RESPACING = 10, 10, 5, "ddim4"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = VideoModel.load(
        next(Path("checkpoints/demo").glob("ema_*.pt")),
        sampler="ddim",
        respacing=RESPACING,
        device=arguments.device,
    )
    video = torch.rand(1, arguments.frames, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    worst = 0.0
    for name in STRATEGIES:
        plan = plan_of(Recipe.read(name), arguments.frames, GIVEN, WINDOW, STEP_SIZE)
        seconds, samples = {}, {}
        for most in (1, 8):
            start = time.perf_counter()
            identity = SampleIdentity("", name, "", 0, 0)
            videos = video.to(arguments.device)
            frames = complete(plan, videos, [identity], model.sample_window, windows_per_call=most).frames
            samples[most] = frames.cpu()  # waits for the device
            seconds[most] = time.perf_counter() - start
        worst = max(worst, float((samples[1] - samples[8]).abs().max()))
        print(
            f"{name:12} {len(plan.stages):4} stages, {len(waves(plan)):4} waves; one by one {seconds[1]:6.1f} s, "
            f"together {seconds[8]:6.1f} s: {seconds[1] / seconds[8]:.2f} times faster",
            flush=True,
        )
    print(f"largest difference of the samples: {worst:.1e}, of frames in [-1, 1]")
    return int(worst > 1e-3)


if __name__ == "__main__":
    sys.exit(main())
