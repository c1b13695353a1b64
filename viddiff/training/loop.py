"""Training: AdamW on the noise-prediction loss of windows with random masks (Harvey et al. 2022, section 4).

All that a step draws (crops, masks, diffusion steps, noise, dropout) depends on the seed and the step alone:
a resumed run repeats an uninterrupted one, bit for bit on one CPU.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from viddiff.data.base import TrainingCrops, VideoDataset
from viddiff.dataset_settings import plain_size
from viddiff.diffusion.denoiser import Network
from viddiff.diffusion.loss import Losses, training_loss
from viddiff.diffusion.process import Diffusion, diffusion_of
from viddiff.errors import InputError
from viddiff.model.build import build_model
from viddiff.model.sizes import frame_size
from viddiff.precision import in_order
from viddiff.training.config import TrainingConfig
from viddiff.training.data_record import record_data
from viddiff.training.ema import start_average, update_average
from viddiff.training.log import averaging_log, csv_log, wandb_log
from viddiff.training.masks import sample_masks
from viddiff.training.soundness import check_losses, check_norm, check_state
from viddiff.training.state import TrainingState, resume_state, save_state
from viddiff.training.windows import loss_mask, make_window
from viddiff.window import Window

MASKS, NOISE, DROPOUT = range(3)  # purposes of randomness
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
) -> int:
    """Train to `config.steps` updates, from the newest sound set of files in `run_dir` or from nothing.

    cores: what `num_workers: -1` shares, by default those that this process may use.
    progress: called with the number of updates made, once at the start and after each.
    stop: asked after each update; if true, save and return.

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
            return _train(config, dataset, run_dir, device, cores or available_cores(), progress, stop)
    except RuntimeError as error:
        killed = _killed_worker(error)
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
) -> int:
    flat = config.to_flat()
    diffusion = diffusion_of(flat)
    torch.manual_seed(config.seed)
    model = build_model(flat).to(device).train()
    parameters = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=config.lr, weight_decay=config.weight_decay, fused=True
    )
    state = TrainingState(model, optimizer, {rate: start_average(parameters) for rate in config.ema_rates})
    data = record_data(dataset)
    resume_state(run_dir, state, flat, config.steps, data)
    progress(state.step)
    if state.step >= config.steps:
        return state.step
    warn_of_initial_weights(config)

    logs = [csv_log(run_dir / "log.csv", state.step)]
    if config.wandb != "off":
        logs.append(wandb_log(run_dir, config.wandb, flat))
    record = averaging_log(config.log_interval, diffusion.n_steps, logs)
    with closing(training_windows(config, dataset, state.step, cores)) as windows:
        for window in windows:
            lr = learning_rate(config, state.step)
            for group in optimizer.param_groups:
                group["lr"] = lr
            losses, t = forward_backward(model, diffusion, window, config, state.step, device)
            grad_norm = nn.utils.get_total_norm([p.grad for p in parameters.values() if p.grad is not None])
            check_norm(grad_norm.item(), config, state.step)
            optimizer.step()
            optimizer.zero_grad()
            for rate, average in state.averages.items():
                update_average(average, parameters, rate)
            state.step += 1

            record(state.step, losses, t, grad_norm.item(), lr)
            progress(state.step)
            stopping = stop()
            if stopping or state.step % config.save_interval == 0 or state.step == config.steps:
                check_state(state, _loss_now(model, diffusion, window, config, state.step, device), config)
                save_state(run_dir, state, flat, data)
            if stopping:
                break
    if state.step == config.steps:
        warn_of_initial_weights(config)
    return state.step


def forward_backward(
    model: Network,
    diffusion: Diffusion,
    window: Window,
    config: TrainingConfig,
    step: int,
    device: torch.device,
) -> tuple[Losses, Int[Tensor, " B"]]:
    """Gradients of a batch's mean loss, by microbatches. Returns each window's losses and diffusion step."""
    batch = len(window.frames)
    generator = torch.Generator(device).manual_seed(step_seed(config.seed, step, NOISE))
    torch.manual_seed(step_seed(config.seed, step, DROPOUT))
    t = torch.randint(diffusion.n_steps, (batch,), generator=generator, device=device)
    noise = torch.randn(window.frames.shape, generator=generator, device=device)
    size = batch if config.microbatch < 1 else config.microbatch
    parts = []
    for start in range(0, batch, size):
        rows = slice(start, start + size)
        with in_order():
            losses = _row_losses(model, diffusion, window, rows, t, noise, config)
            (losses.loss.sum() / batch).backward()
        parts.append((losses.loss.detach(), losses.latent_mse))
    losses = Losses(*(torch.cat(values).cpu() for values in zip(*parts, strict=True)))
    check_losses(losses.loss, t.cpu(), diffusion.n_steps, config, step)
    return losses, t.cpu()


@torch.no_grad()
def _loss_now(
    model: Network,
    diffusion: Diffusion,
    window: Window,
    config: TrainingConfig,
    step: int,
    device: torch.device,
) -> float:
    """The loss of a batch's first window with the present weights, at a diffusion step in the middle."""
    generator = torch.Generator(device).manual_seed(step_seed(config.seed, step, NOISE))
    t = torch.full((1,), diffusion.n_steps // 2, device=device)
    noise = torch.randn(window.frames[:1].shape, generator=generator, device=device)
    return _row_losses(model, diffusion, window, slice(1), t, noise, config).loss.item()


def _row_losses(
    model: Network,
    diffusion: Diffusion,
    window: Window,
    rows: slice,
    t: Int[Tensor, " B"],
    noise: Float[Tensor, "B K C H W"],
    config: TrainingConfig,
) -> Losses:
    """The losses of some windows of a batch, on the device of the noise."""
    micro = Window(*(getattr(window, item.name)[rows].to(noise.device) for item in fields(Window)))
    counted = loss_mask(micro, config.pad_with_random_frames)
    return training_loss(model, diffusion, micro, t[rows], noise[rows], counted)


def warn_of_initial_weights(config: TrainingConfig) -> None:
    """Warn of averages of which the initial weights are a tenth or more when training ends."""
    for rate in config.ema_rates:
        if (share := rate**config.steps) > 0.1:
            logger.warning(
                "ema_rate %s: after %d steps, %.0f%% of the average are still the initial weights, which are noise; "
                "sample with model_…, or take a lower ema_rate",
                rate,
                config.steps,
                100 * share,
            )


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate after `step` updates: it falls linearly to 0 at `lr_anneal_steps`, or is constant."""
    return config.lr * (1.0 - step / config.lr_anneal_steps) if config.lr_anneal_steps else config.lr


def step_seed(seed: int, step: int, purpose: int) -> int:
    """An independent seed for each training step and purpose."""
    return int(np.random.SeedSequence([seed, step, purpose]).generate_state(1, np.uint64)[0]) >> 1


def training_windows(
    config: TrainingConfig, dataset: VideoDataset, start: int, cores: int = 1
) -> Generator[Window, None, None]:
    """The batches of training steps `start` to `config.steps - 1`, loaded by processes on `cores`.

    Raises `InputError` for broken data.
    """
    workers = config.num_workers if config.num_workers >= 0 else max(1, cores - 1)
    loader = DataLoader(
        TrainingWindows(config, dataset),
        batch_size=None,
        sampler=range(start, config.steps),
        num_workers=workers,
        worker_init_fn=_ignore_signals,
    )
    windows = iter(loader)
    try:
        while True:
            broken = None
            try:
                window = next(windows)
            except StopIteration:
                return
            except (OSError, EOFError) as error:  # of the connection, since those of the data come as windows
                time.sleep(1.0)  # until torch raises that the process is dead, if it is
                broken = f"a process that loads data does not answer: {error!r}"
            if broken is not None:
                raise InputError(broken)  # not from the error, which keeps the processes
            if isinstance(window, Exception):
                raise window
            yield window
    finally:
        del windows  # ends its processes, which ignore signals: as long as one is there, Python cannot exit


def _ignore_signals(worker: int) -> None:
    """A signal to stop goes to all processes of a job; only the one that trains decides what it means."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _killed_worker(error: RuntimeError) -> str | None:
    """One line if an error, which can come up anywhere, is torch's way to tell that a process which loads data died."""
    match = re.search(r"DataLoader worker \(pid.*?\) (.*)", str(error))
    if match is None:
        return None
    return (
        f"a process that loads data {match[1].strip().rstrip('.')}; the same call goes on from the newest "
        "checkpoint; if memory was short, fewer num_workers need less"
    )


def available_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class TrainingWindows(Dataset):
    """Item n is the batch of training step n; it depends on the seed and n alone.

    What is wrong with the data is an item too: raised in a worker, the message would become a traceback.
    """

    def __init__(self, config: TrainingConfig, dataset: VideoDataset):
        self.config = config
        self.crops = TrainingCrops(dataset, config.T, config.seed)

    def __getitem__(self, step: int) -> Window | Exception:
        try:
            return self._window(step)
        except (InputError, OSError) as error:
            return error

    def _window(self, step: int) -> Window:
        config = self.config
        generator = np.random.default_rng(step_seed(config.seed, step, MASKS))
        observed, latent = sample_masks(
            config.mask_distribution, config.T, config.max_frames, config.batch_size, generator
        )
        first = 2 * step * config.batch_size
        videos = self._crops(first)
        others = self._crops(first + config.batch_size) if config.pad_with_random_frames else None
        return make_window(videos, others, observed, latent, config.max_frames, generator)

    def _crops(self, first: int) -> UInt8[np.ndarray, "B T C H W"]:
        return np.stack([self.crops[first + i].numpy() for i in range(self.config.batch_size)])
