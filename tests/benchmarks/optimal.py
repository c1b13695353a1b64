"""What an optimal schedule costs and gains: the first stages of a mode, searched with the shipped model.

    python tests/benchmarks/optimal.py [--mode hierarchy-2_optimal-linspace-t_10_5_60_10] [--stages 2]

After `snakemake data`. For each stage: network evaluations and processor seconds of the search on the first half of
the training videos; the error of the predicted noise with the frames that the base mode observes and with those
found, and their difference with its standard error, on draws from the other half: the same videos, diffusion steps
and noise for both. Exits with 1 if the sum of the errors is not lower.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from viddiff.checkpoint import load_checkpoint
from viddiff.data import VideoDataset, open_dataset
from viddiff.diffusion.denoiser import clipped, network_denoiser
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.process import diffusion_of
from viddiff.flat_config import with_defaults
from viddiff.inference.modes import base_plan, parse_mode
from viddiff.inference.search import StageSearch, choose, stage_searches
from viddiff.jobs.search import Denoiser, draw_example, evenly_spaced, measured_errors, noise_errors
from viddiff.model.load import load_network

STEPS = 10
HELD_OUT = 1_000_000  # `count` of the draws that compare: of no search


def searched(
    search: StageSearch,
    dataset: VideoDataset,
    length: int,
    denoiser: Denoiser,
    levels: list[Level],
    videos: int,
) -> tuple[tuple[int, ...], int, float]:
    """Observed frames found on the first half of the videos, network evaluations, processor seconds."""
    evaluations = 0
    half = range(len(dataset) // 2)
    measure = measured_errors(
        search,
        lambda count, draw: draw_example(dataset, half, length, search, count, draw),
        denoiser,
        levels,
        videos,
        batch_size=16,
    )

    def errors(count, sets):
        nonlocal evaluations
        evaluations += len(sets) * videos
        return measure(count, sets)

    start = time.process_time()
    found = tuple(choice.frame for choice in choose(search, errors))
    return found, evaluations, time.process_time() - start


def held_out_errors(
    observed: tuple[int, ...],
    search: StageSearch,
    dataset: VideoDataset,
    length: int,
    denoiser: Denoiser,
    levels: list[Level],
    videos: int,
) -> Tensor:
    """The error on each of `videos` draws from the second half of the training videos."""
    half = range(len(dataset) // 2, len(dataset))
    errors = []
    for number, level in enumerate(levels):
        examples = [
            draw_example(dataset, half, length, search, HELD_OUT, i)
            for i in range(number, videos, len(levels))
        ]
        errors.append(noise_errors([observed], search.latent, examples, level, denoiser, batch_size=16)[0])
    return torch.cat(errors)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", default="hierarchy-2_optimal-linspace-t_10_5_60_10")
    parser.add_argument("--stages", type=int, default=2)
    parser.add_argument("--videos", type=int, default=20)
    parser.add_argument("--held-out", type=int, default=400)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/demo/ema_0.995_002082.pt"))
    parser.add_argument("--data-root", default="data")
    args = parser.parse_args()
    torch.set_num_threads(1)
    mode, checkpoint = parse_mode(args.mode), load_checkpoint(args.checkpoint)
    dataset = open_dataset("bouncy_balls", "train", args.data_root)
    diffusion = diffusion_of(with_defaults(checkpoint.config))
    levels, model = evenly_spaced(diffusion, STEPS), load_network(checkpoint, "cpu")

    def denoiser(window):
        return clipped(network_denoiser(model, diffusion, window, whole=False))

    plan = base_plan(replace(mode, dataset=None))
    sums = {"base": 0.0, "optimal": 0.0}
    print(f"{args.mode}: {args.videos} videos, {STEPS} diffusion steps; compared on {args.held_out} draws")
    for search in stage_searches(plan, mode.max_frames, mode.optimal)[: args.stages]:
        common = (search, dataset, plan.length, denoiser, levels)
        found, evaluations, seconds = searched(*common, args.videos)
        base = plan.stages[search.stage].observed
        first, second = (held_out_errors(frames, *common, args.held_out) for frames in (base, found))
        difference = second - first
        error = float(difference.std() / len(difference) ** 0.5)
        sums["base"] += float(first.mean())
        sums["optimal"] += float(second.mean())
        print(
            f"stage {search.stage}: {evaluations} evaluations, {seconds:.0f} s; latent {list(search.latent)}"
        )
        print(f"  base    {float(first.mean()):.3e}  observes {sorted(base)}")
        print(f"  optimal {float(second.mean()):.3e}  observes {list(found)}")
        print(f"  difference {float(difference.mean()):+.1e} ± {error:.1e}", flush=True)
    print(f"sum: {sums['base']:.3e} → {sums['optimal']:.3e}, {sums['optimal'] / sums['base'] - 1:+.1%}")
    return int(sums["optimal"] >= sums["base"])


if __name__ == "__main__":
    sys.exit(main())
