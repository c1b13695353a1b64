"""Speed of the network against its layers computed one by one as the original does, on the same weights, in one run.

    python tests/benchmarks/network.py [--repetitions 20] [--threads 1] [--device cuda]

Both are first compared (1e-4), then timed in alternation; medians and ratios (literal / ours) are printed. On a CPU
the time is that of the processor, so that other jobs of the machine count little.
Exits with 1 if results differ or if ours is slower.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from literal import literal_copy, literal_forward
from seeded import seeded_model

from viddiff.window import Window

SETTINGS = {
    "32x32, 32 channels, K=10, B=4": (
        {"image_size": 32, "num_channels": 32, "num_heads": 2, "num_res_blocks": 1},
        4,
        10,
    ),
    "64x64, 64 channels, K=20, B=1": ({"image_size": 64, "num_channels": 64}, 1, 20),
}


def half_observed(batch: int, frames: int, size: int, device: str) -> Window:
    """Random frames, two apart, of which the first half is observed."""
    index = torch.arange(frames, device=device).expand(batch, frames)
    observed = index < frames // 2
    content = torch.rand(batch, frames, 3, size, size, device=device) * 2 - 1
    return Window(content, index * 2, observed, ~observed)


def seconds(function: Callable[[], object], device: str) -> float:
    clock = time.perf_counter if device == "cuda" else time.process_time
    start = clock()
    function()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def compare(
    title: str, ours: Callable[[], Tensor], literal: Callable[[], Tensor], repetitions: int, device: str
) -> float:
    """Time both in alternation, after one call each; print medians; the ratio of the medians."""
    times: tuple[list[float], list[float]] = ([], [])
    for repetition in range(repetitions + 1):
        for list_, function in zip(times, (ours, literal), strict=True):
            elapsed = seconds(function, device)
            if repetition:
                list_.append(elapsed)
    fast, slow = (statistics.median(list_) for list_ in times)
    print(f"{title:50} ours {1e3 * fast:8.1f} ms   literal {1e3 * slow:8.1f} ms   ratio {slow / fast:.2f}")
    return slow / fast


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    ratios = []
    for title, (config, batch, frames) in SETTINGS.items():
        model = seeded_model({"T": 100, "cond_emb_type": "channel", **config}).to(args.device)
        copy = literal_copy(model)
        window = half_observed(batch, frames, config["image_size"], args.device)
        x_t, t = torch.randn_like(window.frames), torch.full((batch,), 500.0, device=args.device)
        positions = model.positions(window)

        def forward(model=model, x_t=x_t, t=t, window=window, positions=positions) -> Tensor:
            return model(x_t, t, window, positions)

        def forward_literal(copy=copy, x_t=x_t, t=t, window=window) -> Tensor:
            return literal_forward(copy, x_t, t, window)

        with torch.no_grad():
            difference = float((forward() - forward_literal()).abs().max())
            print(f"{title}: largest difference {difference:.1e}")
            if difference > 1e-4:
                return 1
            ratios.append(compare("  forward", forward, forward_literal, args.repetitions, args.device))

        def step(forward=forward, model=model) -> None:
            forward().square().mean().backward()
            model.zero_grad()

        def step_literal(forward=forward_literal, copy=copy) -> None:
            forward().square().mean().backward()
            copy.zero_grad()

        ratios.append(compare("  forward and backward", step, step_literal, args.repetitions, args.device))
    return int(min(ratios) < 1.0)


if __name__ == "__main__":
    sys.exit(main())
