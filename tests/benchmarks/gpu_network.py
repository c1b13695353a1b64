"""How fast the network is on a device, in each precision, compiled and not, against the original's.

Sections of `gpu.py`: each yields rows of tables, and remarks.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.apart import Row
from benchmarks.sizes import SIZES
from literal import LiteralNetwork
from seeded import TINY, save_checkpoint, seeded_model

from viddiff.call_size import WINDOWS_PER_CALL
from viddiff.device import find_device
from viddiff.precision import lack_of, numerics
from viddiff.video_model import VideoModel
from viddiff.window import Window

Found = dict[str, list[Row]]

PRECISIONS = ("float32", "tf32", "bfloat16")
ORIGINAL = "original"  # its network, computed operation by operation, in PyTorch's default precision
NETWORKS = ("demo", "minerl")
MOST_ROWS = 256
GAIN = 1.05  # by which twice as many windows must be faster to be worth a trial of more


class Network:
    """A network of random weights on a device, as a checkpoint that is loaded; and its transcription."""

    def __init__(self, name: str, device: str, toy: bool, frames: int, compile: bool = False):
        """frames: of the videos that it is trained on."""
        self.name, self.device = name, find_device(device)
        config = {"dataset": "bouncy_balls"} | (TINY if toy else SIZES[name] | {"T": frames})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "ema_0.9_000001.pt")
            save_checkpoint(path, seeded_model(config).state_dict(), config, 1)
            self.model = VideoModel.load(path, device=device, compile=compile)
        self.frames, self.size = self.model.config["max_frames"], self.model.config["image_size"]

    def windows(self, rows: int) -> tuple[Tensor, Tensor, Window]:
        """x_t, t and windows of which the first half is observed; a row is the same in any number of them."""
        frames, size = self.frames, self.size
        r = torch.Generator().manual_seed(0)
        index = torch.arange(frames, device=self.device).expand(rows, frames)
        drawn = torch.stack([torch.randn(2, frames, 3, size, size, generator=r) for _ in range(rows)])
        content, x_t = drawn.to(self.device).unbind(1)
        window = Window(content.clamp(-1, 1), index, index < frames // 2, index >= frames // 2)
        return x_t, torch.full((rows,), 500.0, device=self.device), window

    def call(self, precision: str, rows: int, literal: LiteralNetwork | None) -> Callable[[], Tensor]:
        """A call of the network, that gives the output of latent frames; of its transcription if that is given."""
        x_t, t, window = self.windows(rows)
        network = literal or self.model.network
        positions = network.positions(window)

        @torch.inference_mode()
        def call() -> Tensor:
            with nullcontext() if literal else numerics(precision, self.device):
                return network(x_t, t, window, positions)[:, self.frames // 2 :]

        return call

    def mode(self, name: str, length: int, observed: int) -> str:
        return f"{name}_{self.frames}_{self.frames // 2}_{length}_{observed}"


def clock(device: torch.device) -> float:
    """Seconds, when all that was asked of the device is done; on a CPU those of the processor."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def seconds_of(function: Callable[[], object], device: torch.device, at_least: float = 0.3) -> float:
    """Median seconds of a call: of three rounds of calls of so many seconds, after one call that does not count."""
    function()
    count = max(1, round(at_least / 3 / max(once(function, device), 1e-6)))
    return statistics.median(
        once(lambda: [function() for _ in range(count)], device) / count for _ in range(3)
    )


def once(function: Callable[[], object], device: torch.device) -> float:
    start = clock(device)
    function()
    return clock(device) - start


def free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def usable(device: torch.device) -> list[str]:
    return [precision for precision in PRECISIONS if not lack_of(precision, device)]


def card(device: str, toy: bool, weights: Path, found: Found) -> Iterator[Row]:
    """What the card is, and how many operations of matrix products it does in a second."""
    place = find_device(device)
    yield f"PyTorch {torch.__version__}, {describe(place)}"
    side = 128 if toy else 8192
    for precision in usable(place):
        a, b = (torch.randn(side, side, device=place) for _ in range(2))
        if precision == "bfloat16":
            a, b = a.bfloat16(), b.bfloat16()
        with numerics(precision, place):
            seconds = seconds_of(lambda a=a, b=b: a @ b, place)
        yield {
            "product of matrices": f"{side}x{side}",
            "precision": precision,
            "TFLOP/s": 2e-12 * side**3 / seconds,
        }


def describe(device: torch.device) -> str:
    if device.type != "cuda":
        return f"CPU, {torch.get_num_threads()} threads"
    facts = torch.cuda.get_device_properties(device)
    return (
        f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, compute capability {facts.major}.{facts.minor}, "
        f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    )


def largest(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).abs().max())


def figure(rows: list[Row], column: str, **where: Any) -> Any:
    """What a section found: the column of the row that has these values; `None` if there is none."""
    for row in rows:
        if isinstance(row, dict) and all(
            row.get(key.replace("_", " ")) == value for key, value in where.items()
        ):
            return row.get(column)
    return None


def network(device: str, toy: bool, weights: Path, found: Found) -> Iterator[Row]:
    """Milliseconds of a window, with one, some, and as many in a call as are of use; and how exact results are."""
    place = find_device(device)
    yield (
        "Original: its network computed operation by operation, in PyTorch's default precision (TF32 in convolutions). "
        "Half of the frames are observed; differences are the largest of the outputs of the others."
    )
    for name in NETWORKS:
        net = Network(name, device, toy, 300)
        literal = LiteralNetwork(net.model.network)
        theirs_flops, flops = (operations(net, own) for own in (literal, None))
        parameters = sum(value.numel() for value in net.model.network.parameters()) / 1e6
        yield (
            f"{name}: {parameters:.1f} M parameters, windows of {net.frames} frames of {net.size}x{net.size}, "
            f"{flops / 1e9:.1f} GFLOP each (original: {theirs_flops / 1e9:.1f})"
        )
        for rows in dict.fromkeys((1, 2) if toy else (1, WINDOWS_PER_CALL, most_useful(net))):
            exact = net.call("float32", rows, None)()
            theirs = None
            for precision in (ORIGINAL, *usable(place)):
                free(place)
                own = literal if precision == ORIGINAL else None
                call, alone = (net.call(precision, count, own) for count in (rows, 1))
                try:
                    seconds = seconds_of(call, place) / rows
                    output = call()
                except torch.OutOfMemoryError:
                    yield f"{name}, {precision}, {rows} windows in a call: out of memory"
                    continue
                theirs = seconds if precision == ORIGINAL else theirs
                rate = 1e-12 * (theirs_flops if own else flops) / seconds
                peak = figure(found.get("card", []), "TFLOP/s", precision=precision)
                yield {
                    "network": name,
                    "windows": rows,
                    "precision": precision,
                    "ms per window": 1e3 * seconds,
                    "times as fast": theirs and theirs / seconds,
                    "TFLOP/s": rate,
                    "of the peak": peak and f"{rate / peak:.0%}",
                    "GB": torch.cuda.max_memory_allocated(place) / 1e9 if place.type == "cuda" else None,
                    "from float32": largest(output, exact),
                    "called again": largest(output, call()),
                    "row alone": largest(output[:1], alone()),
                }


def operations(net: Network, literal: LiteralNetwork | None) -> int:
    """Floating point operations of convolutions and products of matrices, for a window."""
    with FlopCounterMode(display=False) as counter:
        net.call("float32", 1, literal)()
    return counter.get_total_flops()


def most_useful(net: Network) -> int:
    """As many windows in a call as still make it faster, in the precision that models have by default."""
    best, rows = float("inf"), WINDOWS_PER_CALL
    while rows <= MOST_ROWS:
        free(net.device)
        try:
            seconds = seconds_of(net.call(net.model.precision, rows, None), net.device) / rows
        except torch.OutOfMemoryError:
            break
        if best < GAIN * seconds:
            break
        best, rows = seconds, 2 * rows
    return rows // 2


def compiled(device: str, toy: bool, weights: Path, found: Found) -> Iterator[Row]:
    """The network compiled, in all precisions."""
    place = find_device(device)
    rows = 2 if toy else WINDOWS_PER_CALL
    for precision in sorted(usable(place), key=lambda precision: precision == "float32"):
        for name in NETWORKS:
            torch.compiler.reset()  # else PyTorch compiles the second network for any size
            net = Network(name, device, toy, 300, compile=True)
            call = net.call(precision, rows, None)
            start = time.perf_counter()
            call()
            compiling = time.perf_counter() - start
            seconds = seconds_of(call, place) / rows
            calls = {"network": name, "windows": rows}
            original = figure(found.get("network", []), "ms per window", precision=ORIGINAL, **calls)
            eager = figure(found.get("network", []), "ms per window", precision=precision, **calls)
            yield {
                **calls,
                "precision": precision,
                "s to compile": compiling,
                "ms per window": 1e3 * seconds,
                "times as fast as not compiled": eager and 1e-3 * eager / seconds,
                "as the original": original and 1e-3 * original / seconds,
            }
