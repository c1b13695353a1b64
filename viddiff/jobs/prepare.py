"""What a job with a network works on: checkpoint, plan, dataset and diffusion process, checked against each other."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from viddiff.checkpoint import Checkpoint, load_checkpoint, with_defaults
from viddiff.data.base import VideoDataset
from viddiff.diffusion.process import Diffusion, diffusion_of
from viddiff.errors import InputError
from viddiff.files.write import sha256_file
from viddiff.inference.modes import Mode
from viddiff.inference.plan import Plan
from viddiff.inference.recipe import expand
from viddiff.model.unet import UNetVideoModel
from viddiff.network import load_network
from viddiff.tree.paths import CheckpointName, Evaluation

log = logging.getLogger(__name__)

OpenVideos = Callable[[str, str], VideoDataset]  # by name and split, "test" or "train"

NUMERICS = 1
"""Raised when a change of the code changes samples or ELBOs beyond rounding: old and new ones never mix."""


@dataclass(frozen=True)
class Prepared:
    """An evaluation that can begin. digest: SHA-256 of the checkpoint file; image_size: of the network's frames."""

    mode: Mode
    name: CheckpointName
    plan: Plan
    dataset: VideoDataset
    diffusion: Diffusion
    network: UNetVideoModel
    image_size: int
    digest: str

    def fingerprint(self, guidance_weight: float | None = None) -> dict[str, Any]:
        """All that the samples of an evaluation directory depend on, apart from video and sample index.

        What a user's mode means today counts, not its name: the plan, and the strategy that a preset stands for.
        """
        dataset = self.dataset
        guidance = {} if guidance_weight is None else {"guidance_weight": guidance_weight}
        return guidance | {
            "checkpoint_sha256": self.digest,
            "mode": asdict(self.mode) | {"strategy": expand(self.mode.strategy)},
            "plan_sha256": self.plan.sha256,
            "sampler": self.name.sampler,
            "diffusion_steps": list(self.diffusion.schedule.steps),
            "variance": self.diffusion.variance,
            "dataset": {
                "name": dataset.name,
                "split": dataset.split,
                "image_size": dataset.image_size,
                "first_frame_sha256": hashlib.sha256(dataset.video(0, 1).tobytes()).hexdigest(),
            },
            "precision": "float32",
            "numerics": NUMERICS,
        }


def prepare(
    evaluation: Evaluation,
    checkpoint_path: Path,
    open_videos: OpenVideos,
    plan: Plan,
    device: str | torch.device,
    *,
    split: str | None = None,
    respaced: bool = True,
) -> Prepared:
    """Load and check what an evaluation needs.

    split: of the dataset; `None`: the mode tells. respaced: whether the process has the diffusion steps that the
        checkpoint's folder names, or those of the training.

    Raises `InputError` if checkpoint, mode and dataset do not fit.
    """
    mode, name = evaluation.mode, evaluation.checkpoint
    checkpoint = load_checkpoint(checkpoint_path)
    config = with_defaults(checkpoint.config)
    check_fit(mode, name, checkpoint)
    dataset = open_videos(mode.dataset or config["dataset"], split or ("train" if mode.trainset else "test"))
    if dataset.image_size != config["image_size"]:
        raise InputError(
            f"dataset {dataset.name} has frames of size {dataset.image_size}, the checkpoint's network takes "
            f"{config['image_size']}"
        )
    return Prepared(
        mode,
        name,
        plan,
        dataset,
        diffusion_of(config, name.respacing) if respaced else diffusion_of(config),
        load_network(checkpoint, device),
        config["image_size"],
        sha256_file(checkpoint_path),
    )


def check_fit(mode: Mode, name: CheckpointName, checkpoint: Checkpoint) -> None:
    """Raise `InputError` if the names in the path ask for what the checkpoint does not hold."""
    if name.step is not None and name.step != checkpoint.step:
        raise InputError(
            f"{checkpoint.path} holds step {checkpoint.step}, the path asks for step {name.step}; "
            f"ask for {CheckpointName(name.stem, checkpoint.step, name.sampler, name.respacing)}"
        )
    trained = with_defaults(checkpoint.config)["max_frames"]
    if mode.max_frames > trained:
        log.warning("windows of %d frames: the model was trained with %d", mode.max_frames, trained)


def check_videos(dataset: VideoDataset, videos: Sequence[int], plan: Plan) -> None:
    """Raise `InputError` if a video is absent or too short for the plan."""
    beyond = [video for video in videos if video >= len(dataset)]
    if beyond:
        raise InputError(
            f"video {beyond[0]} of dataset {dataset.name}: its {dataset.split} set has videos 0 to "
            f"{len(dataset) - 1}"
        )
    for video in videos:
        if dataset.length(video) < plan.length:
            raise InputError(
                f"T is {plan.length}, but video {video} of dataset {dataset.name} has "
                f"{dataset.length(video)} frames"
            )
