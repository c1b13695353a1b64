"""The search for optimal observed frames with a network: what it measures, on which videos, under which noise.

A set of observed frames is as good as the network predicts the noise of the latent frames from it,

    E ||eps - eps_theta(x_t, t)||^2 = E (alpha_t / sigma_t)^2 ||x_0 - x_0_theta(x_t, t)||^2,

the mean over evenly spaced diffusion steps and training videos (Harvey et al. 2022, arXiv 2205.11495). Each
video is seen under one of the steps. Every frame is chosen on new videos; all candidates for a place are compared
on the same videos, crops and noise. These depend on stage, place and number of the draw alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from viddiff.call_size import CallSize
from viddiff.data.base import VideoDataset
from viddiff.diffusion.denoiser import Denoise, add_noise, clipped, network_denoiser
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.process import Diffusion
from viddiff.errors import InputError
from viddiff.inference.modes import base_plan
from viddiff.inference.search import Errors, StageSearch, choose
from viddiff.inference.trained_for import compare_window
from viddiff.jobs.job import Job
from viddiff.jobs.prepare import prepare
from viddiff.precision import full_float32
from viddiff.seeds import generator_of
from viddiff.tree.fingerprint import claim
from viddiff.tree.schedules import (
    SearchSettings,
    progress_file,
    read_choices,
    searches_of,
    stage_file,
    write_choices,
)
from viddiff.video import to_model
from viddiff.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """A training video of T frames, and the noise of the L latent frames of the stage."""

    frames: UInt8[Tensor, "T C H W"]
    noise: Float[Tensor, "L C H W"]


# (count, draw): an example for the choice of a frame after `count` others.
Draw = Callable[[int, int], Example]
Denoiser = Callable[[Window], Denoise]


def search_stage(
    job: Job, checkpoint: Path, stage: int, settings: SearchSettings, *, batch_size: int | None = None
) -> None:
    """Search the observed frames of one stage and write `stage_file(evaluation, stage)`, unless it is there.

    What is chosen is recorded at once: a search that was interrupted goes on from there, with the same result.
    batch_size: windows in a network call; `None`: as many as fit. Progress counts the frames chosen.

    Raises `InputError` before any work if checkpoint, mode or dataset do not fit, or if other stages were
    searched with another checkpoint, other videos or settings.
    """
    evaluation = job.evaluation
    output, part = stage_file(evaluation, stage), progress_file(evaluation, stage)
    if output.exists():
        return
    search = _find(searches_of(evaluation), stage)
    plan = base_plan(evaluation.mode)
    prepared = prepare(job, checkpoint, split="train", respaced=False)
    dataset, model = prepared.dataset, prepared.model
    compare_window(model.config, evaluation.mode.max_frames)
    videos = [video for video in range(len(dataset)) if dataset.length(video) >= plan.length]
    if not videos:
        raise InputError(f"T is {plan.length}, but no training video of {dataset.name} has as many frames")
    levels = evenly_spaced(model.diffusion, settings.diffusion_steps)
    steps, times = model.diffusion.schedule.steps, model.diffusion.times
    protocol: dict[str, Any] = {
        "checkpoint_sha256": model.sha256,
        "mode": asdict(evaluation.mode),
        "plan_sha256": plan.sha256,
        "diffusion_steps": [steps[times.index(level.t)] for level in levels],
        "videos": settings.videos,
        "seeds": "stage, frames chosen before, number of the draw",
        "dataset": {"name": dataset.name, "split": "train", "videos": len(videos), "T": plan.length},
        "precision": "float32",
    }
    claim(output.parent, protocol)

    errors = measured_errors(
        search,
        lambda count, draw: draw_example(dataset, videos, plan.length, search, count, draw),
        lambda window: clipped(network_denoiser(model.network, model.diffusion, window, whole=False)),
        levels,
        settings.videos,
        calls=model.call_size(search.count + len(search.latent), batch_size),
        device=job.device,
    )
    with job.recorded(f"optimal_stage_{stage}") as made:
        chosen = read_choices(part, search) if part.exists() else []
        for choice in choose(search, errors, chosen):
            chosen.append(choice)
            write_choices(part, search, chosen)
            job.progress(len(chosen), search.count)
        write_choices(output, search, chosen)
        part.unlink(missing_ok=True)
        made.append(output)


def evenly_spaced(diffusion: Diffusion, count: int) -> list[Level]:
    """`count` noise levels from the noisiest on. Raises `InputError` if the process has fewer."""
    levels = diffusion.levels()
    if count > len(levels):
        raise InputError(f"config key optimal.diffusion_steps is {count}, the checkpoint has {len(levels)}")
    return [levels[number * len(levels) // count] for number in range(count)]


def measured_errors(
    search: StageSearch,
    draw: Draw,
    denoiser: Denoiser,
    levels: Sequence[Level],
    videos: int,
    *,
    calls: CallSize,
    device: str | torch.device = "cpu",
) -> Errors:
    """The errors of sets of observed frames in a stage, each the mean over `videos` draws.

    Draw i is seen at level i modulo their number. Raises `InputError` if an error is not a number.
    """

    def errors(count: int, observed: Sequence[tuple[int, ...]]) -> list[float]:
        total = torch.zeros(len(observed), dtype=torch.float64)
        for number, level in enumerate(levels):
            examples = [draw(count, i) for i in range(number, videos, len(levels))]
            measured = partial(
                noise_errors, observed, search.latent, examples, level, denoiser, device=device
            )
            total += calls.run(len(observed) * len(examples), measured).sum(dim=1)
        means = (total / videos).tolist()
        if not all(map(math.isfinite, means)):
            raise InputError(f"stage {search.stage}: the network's prediction is not a number")
        log.info("stage %d: %d network evaluations", search.stage, videos * len(observed))
        return means

    return errors


@torch.inference_mode()
def noise_errors(
    observed: Sequence[tuple[int, ...]],
    latent: Sequence[int],
    examples: Sequence[Example],
    level: Level,
    denoiser: Denoiser,
    batch_size: int,
    device: str | torch.device = "cpu",
) -> Float64[Tensor, "observed examples"]:
    """The mean squared error of the predicted noise over latent frames, for each set and each example.

    The sets are of one size. Windows of all sets and examples share network calls, `batch_size` in each.
    """
    pairs = list(product(observed, examples))
    found = []
    for first in range(0, len(pairs), batch_size):
        sets, drawn = zip(*pairs[first : first + batch_size], strict=True)
        index = torch.tensor([[*frames, *latent] for frames in sets])
        x_0 = to_model(torch.stack([e.frames[i] for e, i in zip(drawn, index, strict=True)])).to(device)
        noise = torch.stack([example.noise for example in drawn]).to(device)
        is_latent = (torch.arange(index.shape[1], device=device) >= len(sets[0])).expand(len(sets), -1)
        window = Window(x_0, index.to(device), ~is_latent, is_latent)
        made = slice(len(sets[0]), None)
        x_t = x_0.clone()
        x_t[:, made] = add_noise(x_0[:, made], noise, level.alpha, level.sigma)
        with full_float32():
            estimate = denoiser(window)(x_t, level).x_0
        squares = (estimate - x_0)[:, made].square().flatten(1).double().mean(dim=1)
        found.append((squares * (level.alpha / level.sigma) ** 2).cpu())
    return torch.cat(found).view(len(observed), len(examples))


def draw_example(
    dataset: VideoDataset, videos: Sequence[int], length: int, search: StageSearch, count: int, draw: int
) -> Example:
    """A random crop of `length` frames of one of the videos, and noise.

    The draws for one choice take different videos as long as there are any.
    """
    key = [search.stage, count]
    turn, place = divmod(draw, len(videos))
    order = np.random.default_rng([*key, 0, turn]).permutation(len(videos))
    crop = dataset.random_crop(videos[order[place]], length, np.random.default_rng([*key, 1, draw]))
    generator = generator_of("optimal", *key, draw)
    noise = torch.randn(len(search.latent), *crop.shape[1:], generator=generator)
    return Example(torch.from_numpy(crop), noise)


def _find(searches: list[StageSearch], stage: int) -> StageSearch:
    for search in searches:
        if search.stage == stage:
            return search
    numbers = ", ".join(str(search.stage) for search in searches)
    raise InputError(f"stage {stage} has nothing to search; stages that have: {numbers}")
