"""One number: how much less a whole video costs than by the original's way, and what that does to its quality.

    OMP_NUM_THREADS=1 python tests/benchmarks/video.py [--whole] [--checkpoint ema_0.995_002082_ddim_respace10]
        [--reference ema_0.995_002082] [--mode autoreg_10_5_60_10] [--rounds 5]

The original's way: its network, computed operation by operation as its code does (`tests/literal.py`), ancestral
sampling, all diffusion steps, one window per call, float32. Against it stands `VideoModel`, by default with the sampler
and steps that the documentation recommends. Processor time of one thread, both in alternation, medians.

The video by our way is made as a whole. The original's takes some ten minutes of the demo's network: one stage of a
few diffusion steps is timed, and multiplied; with `--whole`, all of it is. For a network of 116 M parameters and 300
frames single network calls are multiplied. At the end: how two evaluations of the demo's model in `results/` differ.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.documented import RESPACING, SAMPLER
from benchmarks.sizes import SIZES, peak_bytes
from literal import LiteralNetwork
from seeded import save_checkpoint, seeded_model

from viddiff.diffusion.sampler_names import evaluations
from viddiff.inference.cost import plan_cost
from viddiff.report.judgement import judge
from viddiff.report.pairs import Pair, compare_pairs
from viddiff.tree.paths import CheckpointName, Evaluation
from viddiff.tree.schedules import plan_of_mode
from viddiff.video_model import VideoModel
from viddiff.window import Window

RUN, CHECKPOINTS = "demo", Path("checkpoints")
ORIGINAL = "ema_0.995_002082"
DEFAULT = f"{ORIGINAL}_{SAMPLER}_respace{RESPACING}"
MODE = "autoreg_10_5_60_10"
LARGE: dict[str, Any] = SIZES["default network"] | {"dataset": "bouncy_balls", "T": 300, "max_frames": 20}
LARGE_MODE = "autoreg_20_10_300_36"
PART = 10  # diffusion steps of the original's stage that is timed
CALLS = 10  # of the network, timed together


class Cost(NamedTuple):
    """Network evaluations of a video; processor seconds of one: of the network alone, and with all around it."""

    evaluations: int
    network: float
    evaluation: float

    @property
    def around(self) -> float:
        return self.evaluation / self.network

    @property
    def video(self) -> float:
        return self.evaluations * self.evaluation


class Way(NamedTuple):
    """A model, and how many network evaluations it takes for a stage."""

    model: VideoModel
    stage: int

    def evaluations(self, mode: str) -> int:
        return plan_cost(plan_of_mode(mode), self.model.config["max_frames"], self.stage).evaluations

    def call(self, window: Window) -> Callable[[], object]:
        """One call of the network, as samplers make it."""
        network, t = self.model.network, torch.full((1,), 500.0)
        positions = network.positions(window)
        return lambda: network(window.frames, t, window, positions)


def documented(path: Path, name: CheckpointName) -> Way:
    model = VideoModel.load(path, sampler=name.sampler, respacing=name.respacing, device="cpu")
    return Way(model, evaluations(name.sampler, model.diffusion.n_steps))


def originals(path: Path, respacing: str = "") -> Way:
    """The same weights, sampled from as the original does."""
    model = VideoModel.load(path, respacing=respacing, device="cpu")
    return Way(replace(model, network=LiteralNetwork(model.network)), model.diffusion.n_steps)


def processor_seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


@torch.inference_mode()
def alternating(functions: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """The median processor seconds of each, called in turn, after one call that does not count."""
    times = [[processor_seconds(function) for function in functions] for _ in range(rounds + 1)]
    return [statistics.median(column) for column in zip(*times[1:], strict=True)]


def half_observed(model: VideoModel) -> Window:
    """A window of consecutive frames, of which the first half is observed."""
    frames, size = model.config["max_frames"], model.config["image_size"]
    index = torch.arange(frames)[None]
    content = torch.rand(1, frames, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Window(content, index, index < frames // 2, index >= frames // 2)


def make_video(way: Way, mode: str) -> None:
    """Complete a video of noise."""
    completion, size = way.model.completion(mode), way.model.config["image_size"]
    videos = torch.zeros((1, completion.plan.length, 3, size, size), dtype=torch.uint8)
    completion.run(videos, [0], 0)  # a processor has one window in a call


def video_costs(path: Path, name: CheckpointName, mode: str, rounds: int) -> tuple[Cost, Cost]:
    """Of a video by the original's way and by ours."""
    slow, part, fast = originals(path), originals(path, str(PART)), documented(path, name)
    window = half_observed(fast.model)

    def noise() -> torch.Tensor:
        return torch.randn_like(window.frames)

    theirs, stage, ours, video = alternating(
        (
            lambda: [slow.call(window)() for _ in range(CALLS)],
            lambda: part.model.sample_window(window, noise),
            lambda: [fast.call(window)() for _ in range(CALLS)],
            lambda: make_video(fast, mode),
        ),
        rounds,
    )
    count = fast.evaluations(mode)
    return (
        Cost(slow.evaluations(mode), theirs / CALLS, stage / part.stage),
        Cost(count, ours / CALLS, video / count),
    )


def call_costs(path: Path, name: CheckpointName, mode: str, rounds: int) -> tuple[Cost, Cost]:
    """The same, reckoned from single network calls."""
    ways = originals(path), documented(path, name)
    window = half_observed(ways[0].model)
    seconds = alternating([way.call(window) for way in ways], rounds)
    first, second = (Cost(way.evaluations(mode), one, one) for way, one in zip(ways, seconds, strict=True))
    return first, second


def peak(path: Path, name: CheckpointName | None) -> int:
    """Bytes of a process at its peak that loads a network and calls it once; `None`: as the original does."""
    torch.set_num_threads(1)
    way = originals(path) if name is None else documented(path, name)
    with torch.inference_mode():
        way.call(half_observed(way.model))()
    return peak_bytes(torch.device("cpu"))


def peaks(path: Path, name: CheckpointName) -> list[int]:
    """The peaks of both, each in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.starmap(peak, [(path, None), (path, name)], chunksize=1)


def cost_table(title: str, original: Cost, ours: Cost, name: CheckpointName) -> str:
    """What each way costs, and the factors of which the ratio is made up: their product is the last."""

    rows = {
        "network evaluations": (original.evaluations, ours.evaluations, 0),
        "ms of the network, each": (1e3 * original.network, 1e3 * ours.network, 1),
        "times all that is around it": (original.around, ours.around, 3),
        "seconds of a video": (original.video, ours.video, 1),
    }
    head = f"| {title} | the original's way | {name.sampler} {name.respacing} | ratio |\n| --- | --- | --- | --- |"
    lines = [f"| {what} | {a:.{n}f} | {b:.{n}f} | {a / b:.2f} |" for what, (a, b, n) in rows.items()]
    return "\n".join([head, *lines])


def records(reference: Evaluation, default: Evaluation) -> list[Path] | None:
    """The metrics files of most videos that both have: of the default, then of the reference."""
    common = {path.name for path in reference.directory.glob("metrics_*.json")} & {
        path.name for path in default.directory.glob("metrics_*.json")
    }
    if not common:
        return None
    most = max(common, key=lambda name: [int(number) for number in name[8:-5].split("-")])
    return [default.directory / most, reference.directory / most]


def quality_table(pairs: Sequence[Pair], default: str, reference: str) -> str:
    """Each metric in which something can be better, of both; their difference with interval and p; and the verdict."""
    head = ("reference", "default", "difference", "95 % interval", "p", "p holm", "worse by", "verdict")
    lines = [
        f"{pairs[0].videos} videos; reference: {reference}; default: {default}",
        f"| metric | {' | '.join(head)} |\n|{' --- |' * (1 + len(head))}",
    ]
    for pair in pairs:
        judgement, found = judge(pair), pair.difference
        if found is None or judgement.worse is None:
            lines.append(f"| {pair.metric} |{' |' * (len(head) - 1)} {judgement.verdict} |")
        elif pair.a.metrics[pair.metric].better:
            ours, theirs = (record.metrics[pair.metric].mean for record in (pair.a, pair.b))
            low, high = pair.interval
            lines.append(
                f"| {pair.metric} | {theirs:.4g} | {ours:.4g} | {found.value:.3g} | {low:.3g} … {high:.3g} | "
                f"{found.p:.2g} | {pair.p_holm:.2g} | {judgement.worse:.1%} | {judgement.verdict} |"
            )
    return "\n".join(lines)


def quality(reference: Evaluation, default: Evaluation) -> str:
    """The paired test of both, or how to make what it needs."""
    files = records(reference, default)
    if files is None:
        T = default.mode.T
        wanted = " ".join(str(run.metrics(24, 1, T)) for run in (reference, default))
        return f"Quality: no metrics of the same videos of both yet; snakemake --cores all {wanted}"
    return quality_table(
        compare_pairs(files, default.root), str(default.checkpoint), str(reference.checkpoint)
    )


def processor() -> str:
    """The kind of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--checkpoint", default=DEFAULT, help="as in the tree of results: its sampler and steps"
    )
    parser.add_argument("--reference", default=ORIGINAL, help="whose quality is compared with it")
    parser.add_argument("--mode", default=MODE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--whole", action="store_true", help="make a whole video by the original's way, too")
    args = parser.parse_args(arguments)
    reference, default = (
        Evaluation.named(RUN, name, args.mode) for name in (args.reference, args.checkpoint)
    )
    torch.set_num_threads(1)
    torch.manual_seed(0)
    name, path = default.checkpoint, default.checkpoint_file(CHECKPOINTS)
    print(f"{processor()}, one thread, PyTorch {torch.__version__}\n", flush=True)
    costs = video_costs(path, name, args.mode, args.rounds)
    print(cost_table(f"demo's network, {args.mode}", *costs, name))
    if args.whole:
        seconds = processor_seconds(lambda: make_video(originals(path), args.mode))
        print(
            f"A whole video by the original's way: {seconds:.1f} s, {seconds / costs[1].video:.1f} times as long."
        )
    else:
        print(f"The original's video is reckoned from stages of {PART} diffusion steps; --whole makes it.")
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / f"{name.stem}.pt"
        network = seeded_model(LARGE)
        millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        save_checkpoint(large, network.state_dict(), LARGE, 1)
        del network
        costs = call_costs(large, name, LARGE_MODE, max(1, args.rounds // 2))
        print("\n" + cost_table(f"{millions:.0f} M parameters, {LARGE_MODE}", *costs, name))
        sizes = " and ".join(f"{size / 1e9:.2f} GB" for size in peaks(large, name))
    print(f"Both reckoned from single network calls; a process takes {sizes} at its peak.\n", flush=True)
    print(quality(reference, default))
    return 0


if __name__ == "__main__":
    sys.exit(main())
