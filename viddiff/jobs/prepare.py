"""What a job with a network works on: model, plan and dataset, checked against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from viddiff.data.base import VideoDataset
from viddiff.dataset_settings import plain_size
from viddiff.diffusion.sample import Conditioning
from viddiff.errors import InputError, naming
from viddiff.inference.plan import Plan
from viddiff.inference.recipe import expand
from viddiff.jobs.job import Job
from viddiff.model.compiled import check_compiler
from viddiff.model.sizes import frame_size
from viddiff.precision import find_precision
from viddiff.tree.fingerprint import STAMPS
from viddiff.tree.paths import CheckpointName, Evaluation
from viddiff.video_model import VideoModel

NUMERICS = 1
"""Raised when a change of the code changes samples or ELBOs beyond rounding: old and new ones never mix."""


@dataclass(frozen=True)
class Prepared:
    """An evaluation that can begin. second: the model of the mode's second checkpoint, if it has one."""

    evaluation: Evaluation
    model: VideoModel
    dataset: VideoDataset
    second: VideoModel | None = None

    def fingerprint(self, plan: Plan, conditioning: Conditioning | None = None) -> dict[str, Any]:
        """All that the samples of an evaluation directory depend on, apart from video and sample index.

        What a user's mode means today counts, not its name: the plan, and the strategy that a preset stands for.
        """
        mode, model, dataset = self.evaluation.mode, self.model, self.dataset
        guidance: dict[str, Any] = {}
        if conditioning is not None and conditioning.guidance_weight is not None:
            guidance["guidance_weight"] = conditioning.guidance_weight
            guidance |= {"guidance_shifts": "mean"} if conditioning.guides_mean else {}
        second: dict[str, Any] = {}
        if self.second is not None:
            second["second"] = {
                "checkpoint_sha256": self.second.sha256,
                "diffusion_steps": list(self.second.diffusion.schedule.steps),
                "variance": self.second.diffusion.variance,
            }
        return guidance | {
            "checkpoint_sha256": model.sha256,
            "mode": asdict(mode) | {"strategy": expand(mode.strategy)},
            "plan_sha256": plan.sha256,
            "sampler": model.sampler,
            "diffusion_steps": list(model.diffusion.schedule.steps),
            "variance": model.diffusion.variance,
            **second,
            **videos_fingerprint(dataset),
            "precision": model.precision,
            **({"compiled": True} if model.compiled else {}),
            "numerics": NUMERICS,
        }


def videos_fingerprint(dataset: VideoDataset) -> dict[str, Any]:
    """The part of a fingerprint that tells the videos. Settings that change what is read of them are named if given."""
    intake = dataset.source.intake.changes()
    facts = {
        "name": dataset.name,
        "split": dataset.split,
        "image_size": dataset.image_size,
        "first_frame_sha256": hashlib.sha256(dataset.video(0, 1).tobytes()).hexdigest(),
    }
    return {"dataset": facts | ({"intake": intake} if intake else {}), STAMPS: dataset.identity()}


def prepare(
    job: Job,
    checkpoint: Path,
    *,
    second: Path | None = None,
    split: str | None = None,
    respaced: bool = True,
    precision: str = "float32",
    compiled: bool = False,
) -> Prepared:
    """Load and check what an evaluation needs.

    second: the mode's second checkpoint, if it has one. split: of the dataset; `None`: the mode tells. respaced:
        whether the process has the diffusion steps that the checkpoint's folder names, or those of the training.
        precision: of the network, see `viddiff.precision`. compiled: whether the network is.

    Raises `InputError` if checkpoint, mode and dataset do not fit, or if the device cannot have the precision.
    """
    mode, name = job.evaluation.mode, job.evaluation.checkpoint
    with naming("config key sampling"):
        find_precision(precision, job.device)
        if compiled:
            check_compiler(job.device)
    load = partial(
        VideoModel.load,
        sampler=name.sampler,
        respacing=name.respacing if respaced else "",
        device=job.device,
        precision=precision,
        compile=compiled,
    )
    model = load(checkpoint)
    check_step(name, model)
    other = None if second is None else load(second)
    if other is not None and (named := job.evaluation.second) is not None:
        check_step(named.checkpoint, other)
    dataset = job.open_videos(mode.dataset or model.config["dataset"], split or mode.split)
    size = frame_size(model.config)
    if dataset.frame_size != size:
        raise InputError(
            f"dataset {dataset.name} has frames of size {dataset.image_size}, the checkpoint's network takes "
            f"{plain_size(size)}"
        )
    return Prepared(job.evaluation, model, dataset, other)


def check_step(name: CheckpointName, model: VideoModel) -> None:
    """Raise `InputError` if the path asks for another step than the checkpoint holds."""
    if name.step is not None and name.step != model.step:
        raise InputError(
            f"{model.path} holds step {model.step}, the path asks for step {name.step}; "
            f"ask for {CheckpointName(name.stem, model.step, name.sampler, name.respacing)}"
        )


def check_videos(dataset: VideoDataset, videos: Sequence[int], frames: int) -> None:
    """Raise `InputError` if a video is absent or has fewer true frames than are needed."""
    beyond = [video for video in videos if video >= len(dataset)]
    if beyond:
        raise InputError(
            f"video {beyond[0]} of dataset {dataset.name}: its {dataset.split} set has videos 0 to "
            f"{len(dataset) - 1}"
        )
    for video in videos:
        if dataset.length(video) < frames:
            raise InputError(
                f"{frames} true frames are needed, but video {video} of dataset {dataset.name} has "
                f"{dataset.length(video)} frames"
            )
