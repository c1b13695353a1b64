"""What a training shows while it runs: its bar, estimates, curves, test videos, and the first batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

import torch

from viddiff.data.base import VideoDataset
from viddiff.diffusion.denoiser import add_noise
from viddiff.diffusion.likelihood import table_at
from viddiff.diffusion.observed_noise import ObservedNoise, with_noise
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import OutputError
from viddiff.jobs.look import Look
from viddiff.render.batch import draw_batch
from viddiff.render.training_curves import draw_training
from viddiff.training.config import TrainingConfig
from viddiff.training.estimate import Pace, needs
from viddiff.training.log import csv_log, read_log
from viddiff.training.observed_noise import draw_observed_noise
from viddiff.training.run_files import LOG_COLUMNS, VALIDATION_COLUMNS
from viddiff.training.run_state import TrainingState
from viddiff.training.step import OBSERVED, drawn_noise, step_seed
from viddiff.training.watch import Findings, Watch
from viddiff.window import Window

logger = logging.getLogger(__name__)


class TrainingWatch(Watch):
    """Writes to the run's folder: `batch.png`, `validation.csv`, `samples_<step>.png` and `.mp4`, `curves.png`.

    held_out: videos that the training does not see; `None`: there are none. say, show: where a person looks, get lines
    and rows of the log.
    """

    def __init__(
        self,
        config: TrainingConfig,
        run_dir: Path,
        device: torch.device,
        held_out: VideoDataset | None,
        say: Callable[[str], None],
        show: Callable[[Mapping[str, float]], None],
    ) -> None:
        self._config, self._run_dir, self._device = config, run_dir, device
        self._say, self._show = say, show
        self._look = None if held_out is None else Look(config, held_out, run_dir, device)
        self._pace = Pace(config, device, say)

    def begins(self, state: TrainingState) -> None:
        parameters = sum(value.numel() for value in state.model.parameters())
        self._say(needs(self._config, parameters, self._run_dir, state.step))
        self._validation = csv_log(self._run_dir / "validation.csv", VALIDATION_COLUMNS, state.step)

    def loads(self, state: TrainingState, window: Window) -> None:
        if state.step:
            return
        diffusion = diffusion_of(self._config.to_flat())
        own = slice(len(window.frames))  # process 0, which is watched, has the first rows
        t, _, noise = drawn_noise(
            window, diffusion, self._config, state.step, self._device, state.history, own
        )
        t, noise = t.cpu(), noise.cpu()
        window = Window(*(getattr(window, item.name).cpu() for item in fields(window)))
        alpha_bar = table_at(diffusion.schedule.alpha_bar, t)
        x_t = add_noise(window.frames, noise, alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt())
        given = window
        if self._config.observed_noise:
            seed = step_seed(self._config.seed, state.step, OBSERVED)
            generator = torch.Generator(self._device).manual_seed(seed)
            whole = (self._config.batch_size, *window.frames.shape[1:])
            drawn = draw_observed_noise(whole, self._config.observed_noise, generator)
            given = with_noise(window, ObservedNoise(*(part[own].cpu() for part in drawn)))
        seen = given.frames.where(window.observed[:, :, None, None, None], x_t)
        try:
            draw_batch(self._run_dir / "batch.png", window, t, seen)
        except OutputError as error:
            logger.warning("%s", error)

    def logs(self, row: Mapping[str, float]) -> None:
        self._show(row)

    def steps(self, state: TrainingState, saved: bool) -> Findings:
        self._pace(state.step)
        found: dict[str, float | Path] = {}
        if self._look and self._config.looks_at(state.step):
            row = self._look(state)
            self._validation(row)
            found = {f"valid_{name}": value for name, value in row.items() if name != "step"}
            files = (self._run_dir / f"samples_{state.step:06d}{suffix}" for suffix in (".png", ".mp4"))
            found |= {f"samples{path.suffix}": path for path in files if path.exists()}
        if saved or found:
            self._draw_curves()
        return found

    def _draw_curves(self) -> None:
        rows = read_log(self._run_dir / "log.csv", LOG_COLUMNS)
        looks = read_log(self._run_dir / "validation.csv", VALIDATION_COLUMNS)
        try:
            if rows:
                draw_training(self._run_dir / "curves.png", rows, looks)
        except OutputError as error:
            logger.warning("%s", error)
