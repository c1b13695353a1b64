"""What models of several sizes cost on a device: memory, seconds per training step, hours of sampling, disk.

    python tests/benchmarks/sizes.py --device cuda [--sizes demo minerl] [--output sizes.json]

Each size has a process of its own, which trains for a few steps with `viddiff.training.loop.train` on random videos and
samples a few diffusion steps with the checkpoint that it saved. The first step of both is not counted. A size for which
the memory does not suffice is reported as such. Needs torch, NumPy, jaxtyping and `viddiff` (`PYTHONPATH=.`) alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from viddiff.call_size import WINDOWS_PER_CALL
from viddiff.data.base import Source, VideoDataset
from viddiff.device import find_device
from viddiff.inference.cost import plan_cost
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.tree.schedules import plan_of_mode
from viddiff.video import Video
from viddiff.video_model import VideoModel
from viddiff.window import Window

# Training keys. The networks of `minerl` and `carla` are those of the refactored code's documents.
PAPER = {"num_res_blocks": 1, "max_frames": 20}
MINERL = PAPER | {"image_size": 64, "T": 500, "batch_size": 8}
SIZES: dict[str, dict[str, Any]] = {
    "demo": {
        "image_size": 32,
        "T": 60,
        "max_frames": 10,
        "batch_size": 4,
        "num_channels": 32,
        "num_res_blocks": 1,
        "num_heads": 2,
    },
    "minerl": MINERL,
    "minerl, K 10": MINERL | {"max_frames": 10},
    "minerl, recomputed": MINERL | {"use_checkpoint": True},
    "default network": {"image_size": 64, "T": 60, "max_frames": 10, "batch_size": 4},
    "carla": PAPER | {"image_size": 128, "T": 1000, "batch_size": 2},
}
VIDEOS, FRAMES, OBSERVED = 100, 300, 36  # whose completion is reckoned
MODES = ("autoreg", "hierarchy-2")
DIFFUSION_STEPS = (1000, 250, 50)


@dataclass(frozen=True)
class Cost:
    """bytes: of the device's memory at its peak (on a CPU: of the process); rows: windows per network call; disk: bytes
    of a checkpoint set; hours: of sampling, by mode and diffusion steps."""

    parameters: int
    training_bytes: int
    seconds_per_step: float
    sampling_bytes: int
    rows: int
    seconds_per_window: float
    hours: dict[str, dict[int, float]]
    disk: int


class RandomVideo(VideoDataset):
    """One video of noise, in memory."""

    def __init__(self, size: int, length: int):
        super().__init__(Source("bouncy_balls", "train", Path(__file__).parent, size, length))
        self.content = np.random.default_rng(0).integers(0, 256, (length, 3, size, size), dtype=np.uint8)

    @classmethod
    def examine(cls, source: Source) -> tuple[list[tuple[Path, int]], list[str]]:
        return [], []

    def __len__(self) -> int:
        return 1

    def file(self, index: int) -> Path:
        return Path(__file__)

    def length(self, index: int) -> int:
        return len(self.content)

    def frames(self, index: int, start: int, stop: int) -> Video:
        return self.content[start:stop]


def peak_bytes(device: torch.device) -> int:
    """The most memory that was used: on the device since the last reset, on a CPU by the process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    kilobytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes


def clock(device: torch.device) -> float:
    """Seconds, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def train_steps(settings: dict[str, Any], steps: int, device: torch.device, run_dir: Path) -> list[float]:
    """Train from nothing; the seconds of each step but the first."""
    config = training_config({"dataset": "bouncy_balls", "steps": steps + 1, **settings})
    times: list[float] = []
    dataset = RandomVideo(settings["image_size"], settings["T"])
    train(config, dataset, run_dir, device=device, progress=lambda step: times.append(clock(device)))
    return np.diff(times[1:]).tolist()


def sampling_seconds(model: VideoModel, rows: int) -> float:
    """Seconds per network evaluation of one window, as samples are made of `rows` windows in a call."""
    size, frames = model.config["image_size"], model.config["max_frames"]
    index = torch.arange(frames, device=model.device).expand(rows, frames)
    observed = index < frames // 2
    content = torch.zeros(rows, frames, 3, size, size, device=model.device)
    window = Window(content, index, observed, ~observed)
    generator = torch.Generator().manual_seed(0)

    def noise() -> torch.Tensor:
        return torch.randn(content.shape, generator=generator).to(model.device)

    model.sample_window(window, noise)
    start = clock(model.device)
    model.sample_window(window, noise)
    return (clock(model.device) - start) / model.diffusion.n_steps / rows


def sampling_hours(seconds: float, max_frames: int) -> dict[str, dict[int, float]]:
    """Hours to complete the videos, by mode and diffusion steps."""
    hours: dict[str, dict[int, float]] = {}
    for mode in MODES:
        plan = plan_of_mode(f"{mode}_{max_frames}_{max_frames // 2}_{FRAMES}_{OBSERVED}")
        hours[mode] = {
            steps: VIDEOS * plan_cost(plan, max_frames, steps).evaluations * seconds / 3600
            for steps in DIFFUSION_STEPS
        }
    return hours


def measure(
    settings: dict[str, Any], wanted: str, steps: int, evaluations: int, rows: int, threads: int
) -> Cost:
    """The cost of one size; called in a process of its own."""
    device = find_device(wanted)
    torch.set_num_threads(threads or torch.get_num_threads())
    with tempfile.TemporaryDirectory() as folder:
        times = train_steps(settings, steps, device, Path(folder))
        training = peak_bytes(device)
        files = list(Path(folder).glob("*.pt"))
        disk = sum(file.stat().st_size for file in files)
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        path = next(file for file in files if file.name.startswith("ema"))
        model = VideoModel.load(path, respacing=str(evaluations), device=device)
        seconds = sampling_seconds(model, rows)
    return Cost(
        parameters=sum(value.numel() for value in model.network.parameters()),
        training_bytes=training,
        seconds_per_step=statistics.median(times),
        sampling_bytes=peak_bytes(device),
        rows=rows,
        seconds_per_window=seconds,
        hours=sampling_hours(seconds, model.config["max_frames"]),
        disk=disk,
    )


def measured(settings: dict[str, Any], *arguments: Any) -> Cost | str:
    """The cost of one size, or why there is none."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measure, settings, *arguments).result()
        except BrokenProcessPool:
            return "killed, most likely out of memory"
        except (MemoryError, OSError, RuntimeError) as error:  # PyTorch's are RuntimeErrors, also on a CPU
            text = str(error).strip().splitlines()[0] if str(error) else ""
            lacking = isinstance(error, MemoryError) or "memory" in text
            return "out of memory" if lacking else f"failed: {text:.100}"


COLUMNS: dict[str, Callable[[Cost], str]] = {
    "parameters": lambda c: f"{c.parameters / 1e6:.1f} M",
    "train GB": lambda c: f"{c.training_bytes / 1e9:.2f}",
    "s/step": lambda c: f"{c.seconds_per_step:.3g}",
    "sample GB": lambda c: f"{c.sampling_bytes / 1e9:.2f}",
    "ms/window": lambda c: f"{1e3 * c.seconds_per_window:.3g}",
    **{
        f"h {mode} {steps}": lambda c, mode=mode, steps=steps: f"{c.hours[mode][steps]:.3g}"
        for mode in MODES
        for steps in DIFFUSION_STEPS
    },
    "disk GB": lambda c: f"{c.disk / 1e9:.2f}",
}


def row(name: str, cost: Cost | str) -> str:
    if isinstance(cost, str):
        return f"| {name} | {cost} |" + " |" * (len(COLUMNS) - 1)
    return f"| {name} | " + " | ".join(text(cost) for text in COLUMNS.values()) + " |"


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES), metavar="SIZE")
    parser.add_argument("--steps", type=int, default=5, help="training steps that are timed")
    parser.add_argument("--evaluations", type=int, default=10, help="network evaluations that are timed")
    parser.add_argument("--rows", type=int, help="windows per network call when sampling")
    parser.add_argument("--num-workers", type=int, default=2, help="processes that load training data")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: PyTorch's choice")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    args = parser.parse_args(arguments)
    device = find_device(args.device)
    rows = args.rows or (WINDOWS_PER_CALL if device.type == "cuda" else 1)
    costs: dict[str, Cost | str] = {}
    for count, name in enumerate(args.sizes, 1):
        print(f"{count} of {len(args.sizes)}: {name}", end=" ... ", file=sys.stderr, flush=True)
        start = time.perf_counter()
        settings = SIZES[name] | {"num_workers": args.num_workers}
        costs[name] = measured(settings, args.device, args.steps, args.evaluations, rows, args.threads)
        print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    print(f"{device_name(device)}, PyTorch {torch.__version__}, {rows} windows per call when sampling")
    print(
        f"h: hours for {VIDEOS} videos of {FRAMES} frames, {OBSERVED} observed, by mode and diffusion steps"
    )
    print("| size | " + " | ".join(COLUMNS) + " |")
    print("| --- |" + " --- |" * len(COLUMNS))
    for name, cost in costs.items():
        print(row(name, cost))
    if args.output:
        content = {"device": device_name(device), "torch": torch.__version__, "rows": rows}
        sizes = {
            name: cost if isinstance(cost, str) else asdict(cost) | {"settings": SIZES[name]}
            for name, cost in costs.items()
        }
        args.output.write_text(json.dumps(content | {"sizes": sizes}, indent=1) + "\n")
    return int(all(isinstance(cost, str) for cost in costs.values()))


if __name__ == "__main__":
    sys.exit(main())
