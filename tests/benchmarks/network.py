"""Speed of the network against its layers computed one by one as the original does, on the same weights, in one run.

    python tests/benchmarks/network.py [--sizes demo 20M 116M] [--compile] [--repetitions 10] [--threads 1]
        [--device cuda]

Half of the frames are observed, as in most windows; ours leaves out what their outputs alone need. Those of the others
are first compared (1e-4), then both are timed in alternation; medians and ratios (literal / ours) are printed. On a
CPU the time is that of the processor, so that other jobs of the machine count little; there the share of the products
is printed too: what the call's convolutions and matrix products take alone, of what the call takes. It cannot become
faster than that but by fewer or cheaper products. With `--compile` the compiled network is compared and timed as well.
Exits with 1 if results differ or if ours is slower.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

sys.path.insert(0, str(Path(__file__).parents[1]))

from literal import literal_copy, literal_forward
from seeded import seeded_model

from viddiff.model.compiled import compile_network
from viddiff.window import Window

SIZES: dict[str, tuple[dict[str, Any], int]] = {  # settings, frames of a window
    "demo": ({"image_size": 32, "num_channels": 32, "num_heads": 2, "num_res_blocks": 1}, 10),
    "20M": ({"image_size": 64, "num_channels": 64}, 20),
    "116M": ({"image_size": 64, "num_channels": 128}, 20),
}
PRODUCTS = ("convolution", "addmm", "mm", "bmm", "baddbmm", "_scaled_dot_product_flash_attention_for_cpu")


def half_observed(batch: int, frames: int, size: int, device: str) -> Window:
    """Random frames, two apart, of which the first half is observed."""
    index = torch.arange(frames, device=device).expand(batch, frames)
    observed = index < frames // 2
    content = torch.rand(batch, frames, 3, size, size, device=device) * 2 - 1
    return Window(content, index * 2, observed, ~observed)


class Products(TorchDispatchMode):
    """Adds up the processor's time in convolutions and matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = time.process_time()
        result = function(*args, **(kwargs or {}))
        if function.overloadpacket.__name__ in PRODUCTS:
            self.seconds += time.process_time() - start
        return result


def product_seconds(function: Callable[[], object]) -> float:
    """What the products of a call take."""
    with Products() as products:
        function()
    return products.seconds


def seconds(function: Callable[[], object], device: str) -> float:
    clock = time.perf_counter if device == "cuda" else time.process_time
    start = clock()
    function()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def compare(
    title: str,
    functions: dict[str, Callable[[], object]],
    repetitions: int,
    device: str,
) -> dict[str, float]:
    """Time all in alternation, after one call each; print medians; ratios of the medians, literal / other."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    shares = []
    for repetition in range(repetitions + 1):
        for name, function in functions.items():
            elapsed = seconds(function, device)
            if repetition:
                times[name].append(elapsed)
        if repetition and device == "cpu" and title == "forward":
            shares.append(product_seconds(functions["ours"]) / times["ours"][-1])
    medians = {name: statistics.median(list_) for name, list_ in times.items()}
    ratios = {name: medians["literal"] / median for name, median in medians.items() if name != "literal"}
    said = [f"{name} {1e3 * median:8.1f} ms" for name, median in medians.items()]
    said += [f"ratio of {name} {ratio:.2f}" for name, ratio in ratios.items()]
    if shares:
        said.append(f"share of the products {statistics.median(shares):.0%}")
    print(f"  {title:20} " + "   ".join(said), flush=True)
    return ratios


def measure(size: str, with_compiled: bool, batch: int, repetitions: int, device: str) -> float:
    """The smallest ratio of a size. Exits with 1 if results differ."""
    config, frames = SIZES[size]
    model = seeded_model({"T": 100, "cond_emb_type": "channel", **config}).to(device)
    copy = literal_copy(model)
    window = half_observed(batch, frames, config["image_size"], device)
    x_t, t = torch.randn_like(window.frames), torch.full((batch,), 500.0, device=device)
    positions = model.positions(window)
    parameters = sum(value.numel() for value in model.parameters())
    print(f"{size}: {parameters / 1e6:.1f} M parameters, {batch} windows of {frames} frames", flush=True)
    forwards: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: model(x_t, t, window, positions),
        "literal": lambda: literal_forward(copy, x_t, t, window),
    }
    if with_compiled:
        compiled = compile_network(model, torch.device(device))
        forwards["compiled"] = lambda: compiled(x_t, t, window, positions)
    with torch.no_grad():
        literal = forwards["literal"]()
        for name, function in forwards.items():
            start = time.perf_counter()
            difference = float((function() - literal)[window.latent].abs().max())
            print(
                f"  {name}: largest difference {difference:.1e}; first call {time.perf_counter() - start:.1f} s"
            )
            if difference > 1e-4:
                sys.exit(1)
        ratios = compare("forward", forwards, repetitions, device)

    def step(forward: Callable[[], Tensor], network: torch.nn.Module) -> None:
        forward()[window.latent].square().mean().backward()
        network.zero_grad()

    steps = {
        "ours": lambda: step(forwards["ours"], model),
        "literal": lambda: step(forwards["literal"], copy),
    }
    ratios |= {"training": compare("forward and backward", steps, repetitions, device)["ours"]}
    return min(ratios.values())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES), metavar="SIZE")
    parser.add_argument("--compile", action="store_true", help="measure the compiled network too")
    parser.add_argument("--batch", type=int, default=1, help="windows of a call")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    ratios = [measure(size, args.compile, args.batch, args.repetitions, args.device) for size in args.sizes]
    return int(min(ratios) < 1.0)


if __name__ == "__main__":
    sys.exit(main())
