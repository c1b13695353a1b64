"""What is looked at while a training runs, on videos that it does not see: the loss, and whole completed videos.

It draws nothing that a training step draws, so a training comes out the same with and without it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from viddiff.call_size import is_out_of_memory
from viddiff.checkpoint import Checkpoint
from viddiff.data.base import VideoDataset
from viddiff.device import find_device
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError, one_line
from viddiff.inference.modes import Mode, base_plan, parse_mode
from viddiff.metrics.base import Facts
from viddiff.metrics.changes import changes
from viddiff.metrics.motion import motion
from viddiff.metrics.settings import MetricSettings
from viddiff.metrics.values import stages_of
from viddiff.model.load import load_network
from viddiff.precision import find_precision
from viddiff.render.mp4 import write_clips
from viddiff.render.pages import Clip
from viddiff.render.sheet import contact_sheet
from viddiff.training.config import TrainingConfig
from viddiff.training.loading import TrainingWindows
from viddiff.training.log import Row
from viddiff.training.run_files import VALIDATION_COLUMNS
from viddiff.training.run_state import TrainingState
from viddiff.training.step import losses_at
from viddiff.video_model import VideoModel

VIDEOS = 2
SAMPLER, LEVELS = "ddim", 10
QUARTERS = 4
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """Looks at the state of a training. held_out: the videos that it does not see."""

    config: TrainingConfig
    held_out: VideoDataset
    run_dir: Path
    device: torch.device

    def __call__(self, state: TrainingState) -> Row:
        """Write `samples_<step>.png` and `.mp4` in the run's folder; returns the figures of `validation.csv`.

        What is wrong with these videos is no reason to end a training: a warning tells of it, and figures are NaN.
        """
        row: Row = dict.fromkeys(VALIDATION_COLUMNS, float("nan")) | {"step": state.step}
        for part in (self.losses, self.samples):
            try:
                row |= part(state)
            except (InputError, OSError, MemoryError, RuntimeError) as error:
                if not isinstance(error, InputError | OSError) and not is_out_of_memory(error):
                    raise
                logger.warning("step %d, test videos: %s", state.step, one_line(error))
        return row

    @torch.no_grad()
    def losses(self, state: TrainingState) -> Row:
        """The loss of the same windows with the same noise each time, in the middle of each quarter of the levels."""
        if not self.config.n_valid_batches:
            return {}
        diffusion = diffusion_of(self.config.to_flat())
        state.model.eval()
        try:
            found = [
                [self._loss(state, diffusion, quarter, batch) for batch in range(self.config.n_valid_batches)]
                for quarter in range(QUARTERS)
            ]
        finally:
            state.model.train()
        means = [float(np.mean(losses)) for losses in found]
        return {"loss": float(np.mean(means))} | {
            f"loss_q{quarter}": mean for quarter, mean in enumerate(means)
        }

    def _loss(self, state: TrainingState, diffusion: Any, quarter: int, batch: int) -> float:
        network: Any = state.model
        window = TrainingWindows(self.config, self.held_out).batch(batch).on(self.device)
        level = (2 * quarter + 1) * diffusion.n_steps // (2 * QUARTERS)
        return losses_at(network, diffusion, window, level, batch, self.config, self.device).mean().item()

    def samples(self, state: TrainingState) -> Row:
        """Complete the first videos with the first of the averages; the pictures of them."""
        mode = mode_of(self.config)
        count = min(VIDEOS, len(self.held_out))
        T, n_obs = mode.T, mode.given("obs_length")
        truth = np.stack([np.asarray(self.held_out.video(video, T)) for video in range(count)])
        made = self._model(state).complete(truth, mode)
        name = f"samples_{state.step:06d}"
        true, completed = dict(enumerate(truth)), dict(enumerate(made))
        contact_sheet(self.run_dir / f"{name}.png", true, {f"step {state.step}": completed}, n_obs)
        write_clips(self.run_dir / f"{name}.mp4", list(_rows(truth, made, n_obs, state.step)))
        return figures(made, truth, mode)

    def _model(self, state: TrainingState) -> VideoModel:
        """The network with its averaged weights, as their checkpoint would be loaded."""
        config = self.config.to_flat()
        average = state.averages[self.config.ema_rates[0]]
        weights = {
            name: value.detach().clone() for name, value in (state.model.state_dict() | average).items()
        }
        path = self.run_dir / f"step {state.step}"
        checkpoint = Checkpoint(path, weights, config, state.step)
        respacing = str(min(LEVELS, diffusion_of(config).n_steps))
        return VideoModel(
            path=path,
            step=state.step,
            sha256="",
            config=config,
            network=load_network(checkpoint, self.device),
            diffusion=diffusion_of(config, respacing),
            sampler=SAMPLER,
            respacing=respacing,
            device=find_device(self.device),
            precision=find_precision("auto", self.device),
        )


def mode_of(config: TrainingConfig) -> Mode:
    """`autoreg` with half of a window's frames given, to the length of a training crop."""
    step = max(1, config.max_frames // 2)
    return parse_mode(f"autoreg_{config.max_frames}_{step}_{config.T}_{config.max_frames - step}")


def figures(made: UInt8[np.ndarray, "B T C H W"], truth: UInt8[np.ndarray, "B T C H W"], mode: Mode) -> Row:
    """`rmse`: of the completed frames, in parts of the range of pixels; `motion`: that of the truth is 1."""
    n_obs = mode.given("obs_length")
    difference = made[:, n_obs:].astype(float) - truth[:, n_obs:]
    row = {"rmse": float(np.sqrt((difference**2).mean())) / 255}
    facts = Facts(n_obs, stages_of(base_plan(mode), mode.given("T")))
    settings = MetricSettings()
    try:
        moved = motion(changes(made, n_obs, settings), changes(truth, n_obs, settings), facts)
    except InputError:  # videos that stand still, or one made frame
        return row
    return row | {"motion": moved}


def _rows(truth: np.ndarray, made: np.ndarray, n_obs: int, step: int) -> Iterator[Sequence[Clip]]:
    for video, (true, completed) in enumerate(zip(truth, made, strict=True)):
        names = f"video {video}", f"step {step}"
        yield [
            Clip.of(frames, n_obs, name, name) for frames, name in zip((true, completed), names, strict=True)
        ]
