"""Samples of one evaluation directory: from a checkpoint and test videos to files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from viddiff.diffusion import samplers
from viddiff.diffusion.denoiser import Denoise, clipped, network_denoiser
from viddiff.diffusion.guidance import all_latent, guided
from viddiff.diffusion.process import Diffusion
from viddiff.errors import InputError
from viddiff.files.npy import is_whole
from viddiff.files.write import save_npy, write_text
from viddiff.inference.complete import MadeStage, SampleWindow, complete
from viddiff.inference.modes import Mode
from viddiff.inference.plan import Plan, Stage
from viddiff.inference.select import Embed, l2_embedding
from viddiff.jobs.prepare import OpenVideos, check_videos, prepare
from viddiff.metrics.lpips import embed as lpips_embedding
from viddiff.metrics.lpips import shared_network
from viddiff.model.unet import UNetVideoModel
from viddiff.precision import full_float32, rows_per_call
from viddiff.seeds import SampleIdentity
from viddiff.tree.fingerprint import claim
from viddiff.tree.partial import Partial
from viddiff.tree.paths import Evaluation
from viddiff.tree.provenance import device_name, recorded
from viddiff.tree.schedules import plan_in
from viddiff.tree.timing import Timing, record_timing
from viddiff.video import to_model, to_uint8
from viddiff.window import Window

log = logging.getLogger(__name__)


def sample_videos(
    evaluation: Evaluation,
    checkpoint_path: Path,
    open_videos: OpenVideos,
    videos: Sequence[int],
    sample: int,
    *,
    batch_size: int,
    alexnet: Path | None = None,
    guidance_weight: float = 1.0,
    device: str | torch.device = "cpu",
    origin: Mapping[str, str | None] = MappingProxyType({}),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Complete test videos and write `evaluation.sample(video, sample)`; files that exist stay as they are.

    batch_size: videos completed at once, and the most windows of a network call. It does not change the samples,
        on a GPU not beyond rounding (`viddiff.precision.rows_per_call`).
    alexnet: the file of LPIPS weights; only modes that select frames by LPIPS read it.
    guidance_weight: of reconstruction guidance; modes without it do not depend on it.
    origin: what only the caller knows of this job, for its record, see `viddiff.tree.provenance`.
    progress: called with the stages done and their number over all batches.

    Each stage is kept as soon as it is made, see `viddiff.tree.partial`: a call that was killed goes on from there, and
    makes the same samples. Where frames are selected at run time, the plan as it was executed is written beside each
    sample. How long it took is recorded in the directory, see `viddiff.tree.timing`.

    Returns the files made. Raises `InputError` before any work if checkpoint, mode or videos do not fit, or if
    the directory holds results of another checkpoint, mode or sampler.
    """
    missing = [video for video in videos if not is_whole(evaluation.sample(video, sample))]
    if not missing:
        return []
    plan = plan_in(evaluation)
    prepared = prepare(evaluation, checkpoint_path, open_videos, plan, device)
    check_videos(prepared.dataset, missing, plan)
    weight = float(guidance_weight) if prepared.mode.gradient_method else None
    name, diffusion = prepared.name, prepared.diffusion
    window_sampler = network_sampler(prepared.network, diffusion, name.sampler, weight)
    embed = frame_embedding(prepared.mode, alexnet, device)
    facts = prepared.fingerprint(weight)
    claim(evaluation.directory, facts)

    sampler = f"{name.sampler} {name.respacing}".strip()
    batches = [missing[i : i + batch_size] for i in range(0, len(missing), batch_size)]
    windows, seconds = 0, 0.0
    job = f"samples_{missing[0]:04d}-{sample}"
    with recorded(evaluation.directory, job, device, origin) as made:
        for number, batch in enumerate(batches):
            given = torch.stack(
                [torch.as_tensor(prepared.dataset.video(v, length=plan.length)) for v in batch]
            )
            partial = [Partial(evaluation.partial(video, sample), facts) for video in batch]
            finished = finished_stages(partial, plan, given.shape[2:])
            windows += len(batch) * len(plan.stages) - len(finished)
            if finished:
                log.info("%d stages were finished before", len(finished))
            start = time.perf_counter()
            completed = complete(
                plan,
                to_model(given).to(device),
                [
                    SampleIdentity(prepared.digest, str(evaluation.mode), sampler, video, sample)
                    for video in batch
                ],
                window_sampler,
                windows_per_call=rows_per_call(device, batch_size),
                embed=embed,
                finished=finished,
                keep=lambda row, stage, result, partial=partial: partial[row].keep(
                    stage, stage_record(result)
                ),
                progress=lambda stages, number=number: progress(
                    number * len(plan.stages) + stages, len(batches) * len(plan.stages)
                ),
            )
            samples = to_uint8(completed.frames).cpu().numpy()  # waits for the device
            seconds += time.perf_counter() - start
            for video, frames, executed, stages in zip(batch, samples, completed.plans, partial, strict=True):
                if embed:
                    write_text(evaluation.executed_plan(video, sample), executed.to_json())
                path = evaluation.sample(video, sample)
                if not is_whole(path):  # a job that the cluster gave up may have gone on and made it
                    save_npy(path, frames)
                stages.discard()
                made.append(path)
    if windows:
        evaluations = windows * diffusion.n_steps
        timing = Timing(
            device_name(device), evaluations, seconds, prepared.mode.max_frames, prepared.image_size
        )
        record_timing(evaluation, missing[0], sample, timing)
    return made


def finished_stages(
    partial: Sequence[Partial], plan: Plan, frame_shape: Sequence[int]
) -> dict[tuple[int, int], MadeStage]:
    """The stages that earlier jobs finished, by row and stage. frame_shape: [C, H, W]."""
    dtypes = {number: stage_dtype(stage, frame_shape) for number, stage in enumerate(plan.stages)}
    finished = {}
    for row, stages in enumerate(partial):
        for number, record in stages.kept(dtypes).items():
            observed = tuple(record["observed"].tolist())
            finished[row, number] = MadeStage(observed, torch.from_numpy(record["frames"]))
    return finished


def stage_dtype(stage: Stage, frame_shape: Sequence[int]) -> np.dtype:
    """The record of a finished stage: the frames that it observed, and its latent frames in float32."""
    n_observed = len(stage.observed) + stage.n_select
    return np.dtype(
        [("observed", "<i4", (n_observed,)), ("frames", "<f4", (len(stage.latent), *frame_shape))]
    )


def stage_record(made: MadeStage) -> np.ndarray:
    """A finished stage as `stage_dtype` says."""
    frames = made.frames.cpu().numpy()
    dtype = [("observed", "<i4", (len(made.observed),)), ("frames", "<f4", frames.shape)]
    record = np.empty((), dtype)
    record["observed"], record["frames"] = made.observed, frames
    return record


def network_sampler(
    model: UNetVideoModel, diffusion: Diffusion, sampler: str, guidance_weight: float | None = None
) -> SampleWindow:
    """How the engine makes a window's latent frames: the named sampler on the network's clipped estimates.

    guidance_weight: if given, observed frames act by reconstruction guidance, and the network sees them as latent.
    """
    walk, levels = samplers.sampler.find(sampler), diffusion.levels()

    def denoiser(window: Window) -> Denoise:
        if guidance_weight is None:
            return clipped(network_denoiser(model, diffusion, window))
        free = clipped(network_denoiser(model, diffusion, all_latent(window)))
        return clipped(guided(free, window, guidance_weight))

    def sample_window(window, noise):
        # Inference mode is quicker, but forbids the gradient that guides.
        with torch.inference_mode(guidance_weight is None), torch.no_grad(), full_float32():
            return walk(denoiser(window), noise(), levels, noise, diffusion.variance)

    return sample_window


def frame_embedding(mode: Mode, alexnet: Path | None, device: str | torch.device) -> Embed | None:
    """By what the mode selects frames; `None` if it selects none. Raises `InputError` if it lacks weights."""
    distance = mode.recipe.distance
    if distance == "lpips":
        if alexnet is None:
            raise InputError(f"{mode.strategy} selects frames by LPIPS: it needs the AlexNet weights file")
        return partial(lpips_embedding, shared_network(alexnet, str(device)))
    return None if distance is None else l2_embedding
