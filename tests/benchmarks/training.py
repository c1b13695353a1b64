"""Memory and seconds per training step of three sizes of network in each precision, plain and compiled, on a device.

    python tests/benchmarks/training.py --device cuda [--sizes demo minerl carla] [--output training.json]

Each row has a process of its own, which trains for a few steps with `viddiff.training.loop.train` on random videos,
read in the same process; the first step is not counted. What the device lacks, or where memory runs out, is said in its
row. `formula` is what weights, gradients, moments, one average and copies of 16 bits take, here and in the original
with `use_fp16`; activations come on top. Needs torch, NumPy, jaxtyping and `viddiff` (`PYTHONPATH=.`) alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sizes import SIZES, device_name, peak_bytes, train_steps

from viddiff.device import find_device
from viddiff.errors import InputError
from viddiff.flat_config import with_defaults
from viddiff.model.build import build_model
from viddiff.precision import IN_TRAINING, lack_of
from viddiff.training.config import training_config

TOY = {"image_size": 32, "T": 4, "max_frames": 2, "num_channels": 32, "num_res_blocks": 1, "num_heads": 1}
TOY |= {"attention_resolutions": "2", "batch_size": 1, "num_workers": 0}
PRECISIONS = IN_TRAINING[1:]


def state_bytes(settings: dict[str, Any], precision: str, averages: int = 1) -> int:
    """Bytes of weights, gradients, two moments and averages in float32; in 16 bits a copy of what autocast rounds.

    That is the weights of convolutions and matrix products, which PyTorch keeps until the end of a forward pass.
    """
    model = _on_no_device(settings)
    total = sum(value.numel() for value in model.parameters())
    rounded = _numbers(model, (nn.Conv2d, nn.Linear)) if precision in ("bfloat16", "float16") else 0
    return 4 * total * (4 + averages) + 2 * rounded


def originals_bytes(settings: dict[str, Any], averages: int = 1) -> int:
    """The same of the original with `use_fp16`: convolutions have weights and gradients of 16 bits, all others of 32;
    beside them there are weights, gradients, moments and averages in float32."""
    model = _on_no_device(settings)
    total = sum(value.numel() for value in model.parameters())
    convolutions = _numbers(model, (nn.Conv2d,))
    return 2 * (2 * convolutions + 4 * (total - convolutions)) + 4 * total * (4 + averages)


def _on_no_device(settings: dict[str, Any]) -> nn.Module:
    flat = training_config({"dataset": "bouncy_balls", "steps": 1, **settings}).to_flat()
    with torch.device("meta"):
        return build_model(with_defaults(flat))


def _numbers(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> int:
    layers = (layer for layer in model.modules() if isinstance(layer, kinds))
    return sum(value.numel() for layer in layers for value in layer.parameters(recurse=False))


def measure(settings: dict[str, Any], wanted: str, steps: int, threads: int) -> tuple[int, float]:
    """Bytes at the peak and seconds per step; called in a process of its own."""
    device = find_device(wanted)
    torch.set_num_threads(threads or torch.get_num_threads())
    with tempfile.TemporaryDirectory() as folder:
        times = train_steps(settings, steps, device, Path(folder))
    return peak_bytes(device), median(times)


def measured(settings: dict[str, Any], *arguments: Any) -> tuple[int, float] | str:
    """Bytes and seconds, or why there are none."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measure, settings, *arguments).result()
        except BrokenProcessPool:
            return "killed, most likely out of memory"
        except (InputError, MemoryError, OSError, RuntimeError) as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            return "out of memory" if "memory" in text else f"failed: {text:.100}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["demo", "minerl", "carla"])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--compile", action="store_true", help="compiled networks too")
    parser.add_argument("--toy", action="store_true", help="a tiny network instead of the sizes")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0, help="on a CPU; 0: as PyTorch has it")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(arguments)
    try:
        device = find_device(given.device)
    except InputError as error:
        parser.error(str(error))
    sizes = {"toy": TOY} if given.toy else {name: SIZES[name] for name in given.sizes}
    print(f"{device_name(device)}, torch {torch.__version__}, {given.steps} steps\n")
    print("| size | precision | GB | s/step | formula GB |\n| --- | --- | --- | --- | --- |")
    found: dict[str, Any] = {}
    for name, settings in sizes.items():
        for precision in given.precisions:
            for compiled in (False, True) if given.compile else (False,):
                told = f"{precision}, compiled" if compiled else precision
                asked = settings | {"precision": precision, "compile": compiled, "num_workers": 0}
                why = lack_of(precision, device)
                cost = why or measured(asked, given.device, given.steps, given.threads)
                found[f"{name}, {told}"] = cost
                figures = f"{cost} | " if isinstance(cost, str) else f"{cost[0] / 1e9:.3g} | {cost[1]:.3g}"
                formula = state_bytes(settings, precision) / 1e9
                print(f"| {name} | {told} | {figures} | {formula:.3g} |", flush=True)
        print(
            f"| {name} | the original's `use_fp16` | | | {originals_bytes(settings) / 1e9:.3g} |", flush=True
        )
    if given.output:
        given.output.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
