"""Solvers on a trained network: how near each comes to the probability flow's end, by network evaluations.

    OMP_NUM_THREADS=1 python tests/benchmarks/solvers.py [--data data] [--windows 6] [--evaluations 5 10 20 25 50]
        [--rows ddim dpm heun unipc unipc-order3 ddim:trailing dpm:logsnr …] [--references ddim:250 unipc-order3:100]

Windows are the first frames of test videos, the last three of them latent. All start from the same noise, and no solver
draws any more, so each has one end. A table for each reference, which is a sampler and a number of steps: the
root-mean-square distance of the latent frames, in [-1, 1], to the reference's. Heun's method makes an odd number of
evaluations, the one that is nearest below. A row is a sampler, and after a colon the spacing of its steps if these are
not evenly numbered. Takes some 20 minutes of a processor with the demo's network.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from viddiff.data import open_dataset
from viddiff.diffusion.process import diffusion_of
from viddiff.report.quality_names import most_levels
from viddiff.video import to_model
from viddiff.video_model import VideoModel
from viddiff.window import Window

CHECKPOINT = "checkpoints/demo/ema_0.995_002082.pt"
LATENT = 3
PLAIN = ("ddim", "dpm", "heun", "unipc", "unipc-order3")
SPACED = [
    f"{sampler}:{spacing}"
    for spacing in ("trailing", "logsnr", "karras")
    for sampler in ("dpm", "heun", "unipc-order3")
]


def windows(model: VideoModel, data: Path, count: int) -> Window:
    """The first frames of the first test videos: all but the last `LATENT` are observed."""
    K = model.config["max_frames"]
    videos = open_dataset(model.config["dataset"], "test", data)
    frames = to_model(torch.stack([torch.as_tensor(videos.video(index, K)) for index in range(count)]))
    index = torch.arange(K).expand(count, K)
    return Window(frames, index, index < K - LATENT, index >= K - LATENT)


def end(model: VideoModel, window: Window, sampler: str, respacing: str) -> Tensor:
    """The latent frames that a sampler makes of the noise that is the same for all."""
    used = replace(
        model, sampler=sampler, respacing=respacing, diffusion=diffusion_of(dict(model.config), respacing)
    )
    generator = torch.Generator().manual_seed(0)
    made = used.sample_window(window, lambda: torch.randn(window.frames.shape, generator=generator))
    return made[:, -LATENT:]


def table(title: str, counts: Sequence[int], rows: dict[str, list[float]]) -> str:
    """A markdown table."""
    lines = [
        f"Distance to {title}:",
        "",
        f"| sampler | {' | '.join(map(str, counts))} |",
        "| --- " * (len(counts) + 1) + "|",
    ]
    lines += [
        f"| {name} | {' | '.join(f'{value:.2g}' for value in values)} |" for name, values in rows.items()
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", default=CHECKPOINT)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--windows", type=int, default=6)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[5, 10, 20, 25, 50])
    parser.add_argument("--rows", nargs="+", default=[*PLAIN, *SPACED])
    parser.add_argument("--references", nargs="+", default=["ddim:250", "unipc-order3:100"])
    given = parser.parse_args(arguments)
    model = VideoModel.load(given.checkpoint, device="cpu")
    window = windows(model, given.data, given.windows)
    references = {reference: end(model, window, *reference.split(":")) for reference in given.references}
    found: dict[str, dict[str, list[float]]] = {reference: {} for reference in references}
    for row in given.rows:
        sampler, _, spacing = row.partition(":")
        ends = [
            end(model, window, sampler, f"{spacing}{most_levels(sampler, count)}")
            for count in given.evaluations
        ]
        for reference, exact in references.items():
            found[reference][row] = [float((made - exact).square().mean().sqrt()) for made in ends]
            print(reference, row, *(f"{value:.3g}" for value in found[reference][row]), flush=True)
    for reference, rows in found.items():
        print("\n" + table(reference.replace(":", " with ") + " steps", given.evaluations, rows))


if __name__ == "__main__":
    main()
