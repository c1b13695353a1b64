"""Is what a device computes right? Networks, samples and training there, against recorded results and the CPU.

A section of `gpu.py`.
"""

from __future__ import annotations

import copy
import gc
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.apart import Row
from benchmarks.sizes import RandomVideo
from seeded import MODELS, TINY, recorded, save_checkpoint, seeded_model

from viddiff.checkpoint import load_tensors
from viddiff.device import find_device
from viddiff.diffusion.loss import training_loss
from viddiff.diffusion.process import diffusion_of
from viddiff.flat_config import with_defaults
from viddiff.precision import full_float32
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.video_model import VideoModel
from viddiff.window import Window

TOLERANCE = 1e-4  # of network outputs, as in tests/model
MODE = "hierarchy-2_4_2_9_3"
VIDEOS = 4
TRAINING = {key: TINY[key] for key in TINY if key != "T"} | {
    "T": 12,
    "batch_size": 2,
    "dropout": 0.1,
    "ema_rate": "0.1",
    "save_interval": 100,
    "num_workers": 0,
}


class Result(NamedTuple):
    """Whether a check passes, `None` if nothing is promised; and its figures."""

    passed: bool | None
    figures: str


def on_device(window: Window, device: torch.device) -> Window:
    return Window(*(getattr(window, item.name).to(device) for item in fields(window)))


def largest(first: Tensor, second: Tensor) -> float:
    """The largest difference of two arrays."""
    return float((first.cpu().double() - second.cpu().double()).abs().max())


def within(difference: float) -> Result:
    return Result(difference <= TOLERANCE, f"largest difference {difference:.1e}")


def outputs(device: torch.device) -> Result:
    """The recorded networks give the recorded outputs."""
    differences = []
    for name in MODELS:
        r = recorded(name)
        model = copy.deepcopy(r.model).to(device)
        with torch.no_grad(), full_float32():
            output = model(r.x_t.to(device), r.t.to(device), on_device(r.window, device))
        differences.append(largest(output, torch.from_numpy(r.results["model_output"])))
    return within(max(differences))


def outputs_as_trained(device: torch.device) -> Result:
    """The same in the precision of training, where a GPU rounds the inputs of convolutions."""
    r = recorded("seed_default")
    model = copy.deepcopy(r.model).to(device)
    with torch.no_grad():
        output = model(r.x_t.to(device), r.t.to(device), on_device(r.window, device))
    difference = largest(output, torch.from_numpy(r.results["model_output"]))
    return Result(None, f"largest difference {difference:.1e}")


def gradients(device: torch.device) -> Result:
    """The gradients of a training loss are those of the CPU: norm of the difference, relative to the gradient's.

    Parameter by parameter would not do: a bias before a normalisation has a gradient of nothing but rounding.
    """
    r = recorded("seed_default")
    diffusion = diffusion_of(with_defaults(r.config))
    noise = torch.randn(r.window.frames.shape, generator=torch.Generator().manual_seed(1))
    t = torch.arange(1, len(noise) + 1) * diffusion.n_steps // (len(noise) + 2)
    found = []
    for place in (torch.device("cpu"), device):
        model, window = copy.deepcopy(r.model).to(place), on_device(r.window, place)
        with full_float32():
            losses = training_loss(model, diffusion, window, t.to(place), noise.to(place), window.latent)
            losses.loss.sum().backward()
        found.append([p.grad for p in model.parameters() if p.grad is not None])
    cpu, other = (torch.cat([grad.flatten().cpu().double() for grad in grads]) for grads in found)
    difference = float((cpu - other).norm() / cpu.norm())
    return Result(difference <= TOLERANCE, f"relative difference {difference:.1e}")


def sampled(device: torch.device, folder: Path, windows_per_call: int = VIDEOS) -> np.ndarray:
    """Completions of a few videos by a seeded network."""
    path = folder / "ema_0.9_000001.pt"
    if not path.is_file():
        save_checkpoint(path, seeded_model(TINY).state_dict(), TINY, 1)
    model = VideoModel.load(path, respacing="3", device=device, precision="float32")
    videos = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (VIDEOS, TINY["T"], 3, 32, 32), dtype=np.uint8)
    )
    completion = model.completion(MODE)
    calls = completion.call_size(windows_per_call)
    return completion.run(videos, range(VIDEOS), 0, calls=calls).frames


def levels(first: np.ndarray, second: np.ndarray) -> str:
    """How far two videos are apart, in grey levels of 256."""
    difference = np.abs(first.astype(int) - second)
    if not difference.any():
        return "bit-equal"
    return f"{(difference > 0).mean():.2%} of the values differ, by {difference.max()} levels at most"


def samples_again(device: torch.device) -> Result:
    """The same call gives the same samples, to the last bit."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (sampled(device, Path(folder)) for _ in range(2))
    return Result(np.array_equal(first, second), levels(first, second))


def samples_in_other_batches(device: torch.device) -> Result:
    """Windows one by one, or many per call."""
    with tempfile.TemporaryDirectory() as folder:
        one, many = (sampled(device, Path(folder), rows) for rows in (1, VIDEOS))
    return Result(True if np.array_equal(one, many) else None, levels(one, many))


def samples_of_the_cpu(device: torch.device) -> Result:
    """Samples of the device and of the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        cpu, other = (sampled(place, Path(folder)) for place in (torch.device("cpu"), device))
    return Result(np.abs(cpu.astype(int) - other).max() <= 2, levels(cpu, other))


def trained(device: torch.device, run_dir: Path, *stops: int) -> dict[str, Any]:
    """Weights, average and optimiser state after training of 6 steps, in as many calls as there are stops."""
    config = training_config({"dataset": "bouncy_balls", "steps": stops[-1], **TRAINING})
    dataset = RandomVideo(TRAINING["image_size"], 2 * TRAINING["T"])
    made: list[int] = []
    for stop in stops:
        train(
            config, dataset, run_dir, device=device, progress=made.append, stop=partial(reached, made, stop)
        )
    return {
        kind: load_tensors(run_dir / f"{kind}_{stops[-1]:06d}.pt")["state_dict"]
        for kind in ("model", "ema_0.1")
    }


def reached(made: list[int], stop: int) -> bool:
    return made[-1] >= stop


def difference_of_trainings(device: torch.device, *stops: int) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        whole, parts = (trained(device, Path(folder) / str(n), *to) for n, to in enumerate(((6,), stops)))
    apart = max(largest(whole[kind][name], value) for kind in parts for name, value in parts[kind].items())
    figures = f"largest difference of a weight {apart:.1e}" if apart else "bit-equal"
    return Result(apart <= TOLERANCE, figures)


def training_again(device: torch.device) -> Result:
    """The same training gives the same weights."""
    return difference_of_trainings(device, 6)


def training_resumed(device: torch.device) -> Result:
    """Training stopped after 3 of 6 steps and resumed gives the weights of one that went on."""
    return difference_of_trainings(device, 3, 6)


def device_used(device: torch.device) -> Result:
    """A model lies on the device that was asked for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ema_0.9_000001.pt"
        save_checkpoint(path, seeded_model(TINY).state_dict(), TINY, 1)
        model = VideoModel.load(path, device=device)
    places = {parameter.device.type for parameter in model.network.parameters()}
    return Result(places == {device.type}, f"parameters on {', '.join(sorted(places))}")


def memory_freed(device: torch.device) -> Result:
    """Sampling and training leave nothing on the device."""
    if device.type != "cuda":
        return Result(None, "a CPU does not say")
    start = held(device)
    with tempfile.TemporaryDirectory() as folder:
        torch.cuda.reset_peak_memory_stats(device)
        sampled(device, Path(folder))
        trained(device, Path(folder) / "run", 2)
    peak = torch.cuda.max_memory_allocated(device)
    left = held(device) - start
    figures = f"{peak / 1e6:.1f} MB at the peak, {left / 1e6:.1f} MB left"
    return Result(left <= 0 and peak > start, figures)


def held(device: torch.device) -> int:
    gc.collect()
    return torch.cuda.memory_allocated(device)


CHECKS: tuple[Callable[[torch.device], Result], ...] = (
    device_used,
    outputs,
    outputs_as_trained,
    gradients,
    samples_again,
    samples_in_other_batches,
    samples_of_the_cpu,
    training_again,
    training_resumed,
    memory_freed,
)


def checks(device: str, toy: bool, weights: Path, found: dict[str, Any]) -> Iterator[Row]:
    """All of them, for `gpu.py`: what is checked, its verdict (`figure`: nothing is promised), and the figures."""
    torch.set_num_threads(1)
    place = find_device(device)
    for check in CHECKS[: 2 if toy else None]:
        try:
            result = check(place)
        except Exception as error:  # the other checks go on
            result = Result(False, f"{type(error).__name__}: {error}")
        verdict = {True: "pass", False: "FAIL", None: "figure"}[result.passed]
        yield {"check": f"{check.__doc__}".splitlines()[0], "verdict": verdict, "figures": result.figures}
