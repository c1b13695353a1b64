"""Training: AdamW on the noise-prediction loss of windows with random masks (Harvey et al. 2022, section 4).

All that a step draws (crops, masks, diffusion steps, noise, dropout) depends on the seed and the step alone:
a resumed run repeats an uninterrupted one, bit for bit on one CPU.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from viddiff.data.base import VideoDataset
from viddiff.dataset_settings import plain_size
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.model.build import build_model
from viddiff.model.sizes import frame_size
from viddiff.precision import IN_TRAINING, find_precision, tell_precision
from viddiff.training.changes import record_changes
from viddiff.training.config import TrainingConfig
from viddiff.training.data_record import record_data
from viddiff.training.ema import start_average
from viddiff.training.levels import LossHistory
from viddiff.training.loading import available_cores, killed_worker, training_windows
from viddiff.training.log import Log, averaging_log, csv_log, wandb_log
from viddiff.training.network import TrainingNetwork
from viddiff.training.power_ema import LENGTHS
from viddiff.training.processes import ALONE, Processes
from viddiff.training.run_files import LOG_COLUMNS, has_begun
from viddiff.training.run_state import TrainingState
from viddiff.training.soundness import check_state
from viddiff.training.start import take_start
from viddiff.training.state import resume_state, save_state
from viddiff.training.step import forward_backward, learning_rate, loss_now
from viddiff.training.thinning import thin_out
from viddiff.training.update import overflow_error, overflows_for_long, update_weights
from viddiff.training.watch import Watch

logger = logging.getLogger(__name__)


def train(
    config: TrainingConfig,
    dataset: VideoDataset,
    run_dir: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    cores: int | None = None,
    progress: Callable[[int], None] = lambda step: None,
    stop: Callable[[], bool] = lambda: False,
    watch: Watch = Watch(),  # noqa: B008 - it has no state
    processes: Processes = ALONE,
) -> int:
    """Train to `config.steps` updates, from the newest sound set of files in `run_dir` or from nothing.

    cores: what `num_workers: -1` shares, by default those that this process may use.
    progress: called with the number of updates made, once at the start and after each.
    stop: asked after each update; if true, save and return.
    watch: is told of each step and of each row of the log.
    processes: that train together, each of which calls this with its own device and a share of the cores. The first one
    reads and writes `run_dir`; all stop if one is told to.

    Returns the number of updates made; a run that is already beyond `config.steps` is left alone. Raises
    `InputError` if settings, data or files do not fit, if the loss or the weights are no longer finite, or if a
    process that loads data dies.
    """
    run_dir, device = Path(run_dir), torch.device(device)
    size = frame_size(config.to_flat())
    if dataset.frame_size != size:
        raise InputError(f"image_size is {plain_size(size)}; {dataset.name} has {dataset.image_size}")
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            return _train(
                config, dataset, run_dir, device, cores or available_cores(), progress, stop, watch, processes
            )
    except RuntimeError as error:
        killed = killed_worker(error)
        if killed is None:
            raise
    raise InputError(killed)  # not from the error, which keeps the other processes


def _train(
    config: TrainingConfig,
    dataset: VideoDataset,
    run_dir: Path,
    device: torch.device,
    cores: int,
    progress: Callable[[int], None],
    stop: Callable[[], bool],
    watch: Watch,
    processes: Processes,
) -> int:
    rows, first = processes.rows(config.batch_size), processes.rank == 0
    flat = config.to_flat()
    diffusion = diffusion_of(flat)
    precision = find_precision(config.precision, device, IN_TRAINING)
    torch.manual_seed(config.seed)
    model = build_model(flat).to(device).train()
    parameters = dict(model.named_parameters())
    start = ""
    with processes.first_alone("starts"):
        if first and config.start_from and not has_begun(run_dir):
            start = take_start(model, Path(config.start_from), flat)
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=config.lr, weight_decay=config.weight_decay, fused=True
    )
    averages = {rate: start_average(parameters) for rate in (config.ema_rates if first else ())}
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    state = TrainingState(model, optimizer, averages, start_sha256=start, scaler=scaler)
    if config.post_hoc_ema and first:
        state.powers = {length: start_average(parameters) for length in LENGTHS}
    if config.schedule_sampler == "loss-second-moment":
        state.history = LossHistory(diffusion.n_steps)
    data = record_data(dataset)
    changes: dict[str, tuple[Any, Any]] = {}
    with processes.first_alone("resumes"):
        if first:
            changes = resume_state(run_dir, state, flat, config.steps, data)
    processes.share(state, device)
    progress(state.step)
    if state.step >= config.steps:
        return state.step
    network = TrainingNetwork(model, device, precision, config.compile, processes)
    logs: list[Log] = [watch.logs]
    wandb = None
    if first:
        if start:
            changes["start_from"] = ("", f"{config.start_from} {start}")
        record_changes(run_dir / "changes.csv", state.step, changes)
        warn_of_initial_weights(config)
        tell_precision(config.precision, precision, device)
        logs.insert(0, csv_log(run_dir / "log.csv", LOG_COLUMNS, state.step))
        if config.wandb != "off":
            wandb = wandb_log(run_dir, config.wandb, flat)
            logs.append(wandb)
    record = averaging_log(config.log_interval, diffusion.n_steps, logs)
    watch.begins(state)
    with closing(training_windows(config, dataset, state.step, cores, device, rows)) as windows:
        for window in windows:
            watch.loads(state, window)
            lr = learning_rate(config, state.step)
            for group in optimizer.param_groups:
                group.update(lr=lr, weight_decay=config.weight_decay)
            losses, t = forward_backward(
                network, diffusion, window, config, state.step, state.history, state.scaler
            )
            grad_norm = update_weights(state, config)
            if state.history is not None and state.overflows == 0:
                state.history.add(t, losses.loss)
            state.step += 1

            record(state.step, losses, t, grad_norm, lr)
            progress(state.step)
            stopping = processes.any(stop(), device)
            hopeless = overflows_for_long(state)
            saving = stopping or state.step % config.save_interval == 0 or state.step == config.steps
            if saving or hopeless:
                processes.check_equal(model)
                with processes.first_alone(f"saves {state.step}"):
                    if first:
                        loss = loss_now(model, diffusion, window, config, state.step, device)
                        check_state(state, 0.0 if hopeless else loss, config)
                        save_state(run_dir, state, flat, data)
                        if config.keep_last and not hopeless:
                            thin_out(run_dir, config)
            if hopeless:
                raise overflow_error(state, config)
            if stopping:
                break
            waiting = processes if config.looks_at(state.step) else ALONE
            with waiting.first_alone(f"looks {state.step}"):
                findings = watch.steps(state, saving)
            if wandb and findings:
                wandb({"step": state.step, **findings})
    if first and state.step == config.steps:
        warn_of_initial_weights(config)
    return state.step


def warn_of_initial_weights(config: TrainingConfig) -> None:
    """Warn of averages of which the initial, random weights are a tenth or more when training ends."""
    for rate in () if config.start_from or config.ema_warmup else config.ema_rates:
        if (share := rate**config.steps) > 0.1:
            logger.warning(
                "ema_rate %s: after %d steps, %.0f%% of the average are still the initial weights, which are noise; "
                "sample with model_…, or take a lower ema_rate",
                rate,
                config.steps,
                100 * share,
            )
