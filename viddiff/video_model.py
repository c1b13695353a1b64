"""A trained model that completes videos: the way in for notebooks, and what the jobs of the workflow work with.

    model = VideoModel.load("checkpoints/demo/ema_0.995_002082.pt", sampler="ddim", respacing="10")
    completed = model.complete(videos, "autoreg_10_5_60_10")

What a mode means, all its prefixes and options, is put together here alone, in `VideoModel.completion`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from viddiff.call_size import WINDOWS_PER_CALL, CallSize, windows_that_fit
from viddiff.checkpoint import load_checkpoint
from viddiff.completion import Completion
from viddiff.device import find_device
from viddiff.diffusion.denoiser import Network
from viddiff.diffusion.process import Diffusion, diffusion_of
from viddiff.diffusion.sample import Conditioning, WindowSampler
from viddiff.diffusion.samplers.base import find_sampler
from viddiff.diffusion.treatment import check_guidance
from viddiff.errors import InputError, naming
from viddiff.files.write import sha256_file
from viddiff.flat_config import with_defaults
from viddiff.inference.cost import check_steps
from viddiff.inference.modes import Mode, parse_mode
from viddiff.inference.plan import Plan
from viddiff.inference.second import check_alike, second_window
from viddiff.inference.select import Embed, l2_embedding
from viddiff.inference.trained_for import begin_at_noise, compare_levels, compare_window, tells_noise
from viddiff.metrics.lpips import embed as lpips_embedding
from viddiff.metrics.lpips import shared_network
from viddiff.metrics.weights import default_alexnet
from viddiff.model.compiled import CompiledNetwork, compile_network
from viddiff.model.load import load_network
from viddiff.model.sizes import frame_size
from viddiff.precision import find_precision, numerics, rows_per_call, tell_precision
from viddiff.seeds import whole_number
from viddiff.tree.paths import DEFAULT_SAMPLER
from viddiff.tree.schedules import Schedule, plan_of_mode
from viddiff.window import Noise, StepNoise, Walk, Window, WindowFrames

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoModel:
    """A checkpoint's network on a device, with the sampler and the diffusion steps that it is used with.

    path, step, sha256: the checkpoint's file, the training steps that it holds, its hash; config: all settings of the
    training, by the original's keys; sampler, respacing: as in the names of checkpoints' folders; precision: of its
    network's evaluations in sampling, see `viddiff.precision`; compiled: whether the network is.
    """

    path: Path
    step: int
    sha256: str
    config: Mapping[str, Any]
    network: Network
    diffusion: Diffusion
    sampler: str
    respacing: str
    device: torch.device
    precision: str
    compiled: bool = False

    @staticmethod
    def load(
        path: str | os.PathLike[str],
        *,
        sampler: str = DEFAULT_SAMPLER,
        respacing: str = "",
        device: str | torch.device = "auto",
        precision: str = "auto",
        compile: bool = False,
    ) -> VideoModel:
        """Read a checkpoint of this project, of the original code or of its refactoring.

        sampler: a name of `viddiff/diffusion/samplers/` with its options, as in the names of checkpoints' folders:
        `ancestral`, `ddim`, `ddim-eta0.5`, `dpm`, `sde-dpm`, `heun`, `unipc`, `unipc-order3`. respacing: which
        diffusion steps are used, `25`, `ddim25`, `10,15,20`, `trailing25`, `logsnr25` or `karras25`, "" for those of
        the training; see `viddiff.diffusion.respacing` and `viddiff.diffusion.spacing`. device: see
        `viddiff.device.find_device`. precision: `float32`, `tf32`, `bfloat16` or `auto`, see `viddiff.precision`.
        compile: whether the network is compiled, see `viddiff.model.compiled`.

        Raises `InputError` for a wrong argument, and for a file that is absent, damaged or not a checkpoint.
        """
        find_sampler(sampler)
        if not isinstance(respacing, str):
            raise InputError(f'respacing is {respacing!r:.60}, must be a text, such as "10"')
        found = find_device(device)
        found_precision = find_precision(precision, found)
        tell_precision(precision, found_precision, found)
        checkpoint = load_checkpoint(path)
        config = with_defaults(checkpoint.config)
        network: Network = load_network(checkpoint, found)
        if compile:
            network = compile_network(network, found)
        diffusion = diffusion_of(config, respacing)
        begin_at_noise(checkpoint.path, config, diffusion, respacing)
        return VideoModel(
            path=checkpoint.path,
            step=checkpoint.step,
            sha256=sha256_file(path),
            config=config,
            network=network,
            diffusion=diffusion,
            sampler=sampler,
            respacing=respacing,
            device=found,
            precision=found_precision,
            compiled=compile,
        )

    def complete(
        self,
        videos: Any,
        mode: str | Mode,
        *,
        indices: Sequence[Any] | np.ndarray | None = None,
        sample: SupportsIndex = 0,
        second: VideoModel | None = None,
        schedule: Schedule | str | os.PathLike[str] | None = None,
        alexnet: str | os.PathLike[str] | None = None,
        guidance_weight: float = 1.0,
        guidance_shifts: str = "estimate",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> UInt8[np.ndarray, "B T C H W"]:
        """Complete videos by an inference mode: the same frames, to the last bit, as the workflow's.

        videos: an array, uint8 `[B, frames, C, H, W]`, of which only the observed frames (and the goals) are looked at
        and must be there; `None` where the mode observes none, for a video of each index, by default one. indices:
        which videos of their dataset these are, by default the first; the noise of a video depends on its index and
        on `sample`. second, schedule, alexnet, guidance_weight, guidance_shifts: as for `completion`.
        progress: called with the stages done and their number.

        Raises `InputError` before any work for an unknown mode, for videos that do not fit it or the model, and for
        what the mode needs and does not get.
        """
        completion = self.completion(
            mode,
            second=second,
            schedule=schedule,
            alexnet=alexnet,
            guidance_weight=guidance_weight,
            guidance_shifts=guidance_shifts,
        )
        given = completion.check_videos(videos, 1 if indices is None else len(indices))
        numbers = (
            range(len(given)) if indices is None else [whole_number("indices", value) for value in indices]
        )
        sample = whole_number("sample", sample)
        if not numbers:
            raise InputError("indices are empty, must be one for each video to make")
        if len(numbers) != len(given):
            raise InputError(f"indices are {len(numbers)}, must be one for each of {len(given)} videos")
        calls = completion.call_size()
        at_once = completion.videos_at_once(calls)
        stages, batches = len(completion.plan.stages), given.split(at_once)

        def run(count: int, batch: Tensor) -> UInt8[np.ndarray, "b T C H W"]:
            first = count * at_once
            return completion.run(
                batch,
                numbers[first : first + len(batch)],
                sample,
                calls=calls,
                progress=lambda done: progress(count * stages + done, len(batches) * stages),
            ).frames

        return np.concatenate([run(*pair) for pair in enumerate(batches)])

    def completion(
        self,
        mode: str | Mode,
        *,
        second: VideoModel | None = None,
        schedule: Schedule | str | os.PathLike[str] | None = None,
        alexnet: str | os.PathLike[str] | None = None,
        guidance_weight: float = 1.0,
        guidance_shifts: str = "estimate",
    ) -> Completion:
        """What a mode means for this model.

        second: the model of a mode's second checkpoint, see `docs/two-checkpoints.md`; others must not get one.
        schedule: the observed frames of each stage, or the file that holds them; an optimal mode needs it. alexnet:
        the file of LPIPS weights, for modes that choose frames by LPIPS; by default the machine's, fetched if it is
        not there. guidance_weight: of reconstruction guidance, in modes `gradientmethod_…`. guidance_shifts: what it
        moves there, `estimate`, or as the original code `mean`, of ancestral sampling's transitions.

        Raises `InputError` if the mode has no plan, or lacks its schedule, weights or second model, if that does not
        fit this one, or if its guidance and the sampler do not fit.
        """
        mode = parse_mode(mode) if isinstance(mode, str) else mode
        plan = plan_of_mode(mode, schedule)
        compare_window(self.config, mode.max_frames)
        with naming(f"mode {str(mode)!r}"):
            self._check_second(mode, plan, second)
            if plan.has_steps:
                check_steps(mode, plan, self.sampler, self.diffusion.n_steps)
                compare_levels(self.config, mode)
            mode.recipe.treatment.evaluations(self.sampler, self.diffusion.n_steps)
        weight = float(guidance_weight) if mode.gradient_method else None
        if mode.gradient_method:
            check_guidance(guidance_shifts, self.sampler)

        def conditioning(model: VideoModel) -> Conditioning:
            return Conditioning(
                mode.recipe.treatment,
                plan.true_frames,
                tells_noise(model.config, mode.recipe.treatment),
                weight,
                mode.gradient_method and guidance_shifts == "mean",
            )

        embed: Embed | None = None
        if mode.recipe.distance == "lpips":
            weights = default_alexnet() if alexnet is None else Path(alexnet)
            embed = partial(lpips_embedding, shared_network(weights, str(self.device)))
        elif mode.recipe.distance == "l2":
            embed = l2_embedding
        other = None if second is None else Completion(second, mode, plan, conditioning(second), embed)
        return Completion(self, mode, plan, conditioning(self), embed, other)

    def _check_second(self, mode: Mode, plan: Plan, second: VideoModel | None) -> None:
        """Raise `InputError` unless a second model is there if it is needed, and fits this one."""
        if bool(plan.second_checkpoint) != (second is not None):
            if second is None:
                raise InputError(
                    f"it has a second checkpoint, so its model must be given: {plan.second_checkpoint}"
                )
            raise InputError(f"it has no second checkpoint, so {second.path} must not be given")
        if second is None:
            return
        with naming(f"second checkpoint {second.path}"):
            steps = self.diffusion.n_steps, second.diffusion.n_steps
            check_alike(self.config, second.config, same_dataset=mode.dataset is None, steps=steps)
            for name in ("sampler", "respacing", "device", "precision", "compiled"):
                mine, other = getattr(self, name), getattr(second, name)
                if mine != other:
                    raise InputError(f"{name} is {str(other)!r}, must be {str(mine)!r} as that of the first")
        compare_window(second.config, second_window(plan), "the second model")

    def sample_window(
        self, window: Window, noise: Noise, conditioning: Conditioning | None = None
    ) -> WindowFrames:
        """The frames of windows, from noise to clean: what is returned for observed frames has no meaning.

        conditioning: how observed frames act, by default as the network sees them.

        Raises `InputError` if they are not finite numbers, or what the network says on the way is not.
        """
        return self._finite(self._sampler(conditioning).sample(self.sampler, window, noise))

    def _finite(self, made: tuple[WindowFrames, bool]) -> WindowFrames:
        frames, finite = made
        if not finite:
            raise InputError(
                f"{self.path}: its network's estimates of frames are not finite numbers; nothing is made of them"
            )
        return frames

    def advance_window(
        self, window: Window, walk: Walk, noise: StepNoise, conditioning: Conditioning | None = None
    ) -> WindowFrames:
        """The frames of windows after a walk, from levels of their own to lower ones: see `docs/levels.md`.

        Raises `InputError` as `sample_window`, and if the sampler cannot do that.
        """
        return self._finite(self._sampler(conditioning).advance(self.sampler, window, walk, noise))

    def call_size(
        self, frames: int, wanted: int | None = None, conditioning: Conditioning | None = None
    ) -> CallSize:
        """The most windows of so many frames in a network call: as wanted, by default as many as fit on a GPU.

        On a processor it is one, see `viddiff.precision.rows_per_call`.
        """
        if wanted is not None or self.device.type != "cuda":
            return CallSize(rows_per_call(self.device, wanted or WINDOWS_PER_CALL))
        trial = self._sampler(conditioning)
        if isinstance(trial.network, CompiledNetwork):  # compiling for the trial's sizes would take minutes
            trial = replace(trial, network=trial.network.network)
        return CallSize(windows_that_fit(trial.evaluate, (frames, 3, *frame_size(self.config)), self.device))

    def _sampler(self, conditioning: Conditioning | None) -> WindowSampler:
        how = partial(numerics, self.precision, self.device)
        return WindowSampler(self.network, self.diffusion, how, conditioning or Conditioning())
