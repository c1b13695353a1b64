"""Training: AdamW on the noise-prediction loss of windows with random masks (Harvey et al. 2022, section 4).

All that a step draws (crops, masks, diffusion steps, noise, dropout) depends on the seed and the step alone:
a resumed run repeats an uninterrupted one, bit for bit on one CPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from viddiff.data.base import TrainingCrops, VideoDataset
from viddiff.diffusion.denoiser import Network
from viddiff.diffusion.loss import Losses, training_loss
from viddiff.diffusion.process import Diffusion, diffusion_of
from viddiff.errors import InputError
from viddiff.model.build import build_model
from viddiff.training.config import TrainingConfig
from viddiff.training.ema import start_average, update_average
from viddiff.training.log import averaging_log, csv_log, wandb_log
from viddiff.training.masks import loss_mask, make_window, sample_masks
from viddiff.training.state import TrainingState, resume_state, save_state
from viddiff.window import Window

MASKS, NOISE, DROPOUT = range(3)  # purposes of randomness


def train(
    config: TrainingConfig,
    dataset: VideoDataset,
    run_dir: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    progress: Callable[[int], None] = lambda step: None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Train to `config.steps` updates, from the newest complete set of files in `run_dir` or from nothing.

    progress: called with the number of updates made, once at the start and after each.
    stop: asked after each update; if true, save and return.

    Returns the number of updates made. Raises `InputError` if settings, data or files do not fit, or the loss
    is no longer finite.
    """
    run_dir, device = Path(run_dir), torch.device(device)
    if dataset.image_size != config.to_flat()["image_size"]:
        raise InputError(
            f"image_size is {config.to_flat()['image_size']}; {dataset.name} has {dataset.image_size}"
        )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        return _train(config, dataset, run_dir, device, progress, stop)


def _train(
    config: TrainingConfig,
    dataset: VideoDataset,
    run_dir: Path,
    device: torch.device,
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
    resume_state(run_dir, state, flat, config.steps)
    progress(state.step)
    if state.step == config.steps:
        return state.step

    logs = [csv_log(run_dir / "log.csv", state.step)]
    if config.wandb != "off":
        logs.append(wandb_log(run_dir, config.wandb, flat))
    record = averaging_log(config.log_interval, diffusion.n_steps, logs)
    for window in training_windows(config, dataset, state.step):
        lr = learning_rate(config, state.step)
        for group in optimizer.param_groups:
            group["lr"] = lr
        losses, t = forward_backward(model, diffusion, window, config, state.step, device)
        grad_norm = nn.utils.get_total_norm([p.grad for p in parameters.values() if p.grad is not None])
        optimizer.step()
        optimizer.zero_grad()
        for rate, average in state.averages.items():
            update_average(average, parameters, rate)
        state.step += 1

        record(state.step, losses, t, grad_norm.item(), lr)
        progress(state.step)
        stopping = stop()
        if stopping or state.step % config.save_interval == 0 or state.step == config.steps:
            save_state(run_dir, state, flat)
        if stopping:
            break
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
        micro = Window(*(getattr(window, item.name)[rows].to(device) for item in fields(Window)))
        counted = loss_mask(micro, config.pad_with_random_frames)
        losses = training_loss(model, diffusion, micro, t[rows], noise[rows], counted)
        (losses.loss.sum() / batch).backward()
        parts.append((losses.loss.detach(), losses.latent_mse))
    losses = Losses(*(torch.cat(values).cpu() for values in zip(*parts, strict=True)))
    if not losses.loss.isfinite().all():
        raise InputError(
            f"the loss is not finite at training step {step}; a lower lr than {config.lr} may help"
        )
    return losses, t.cpu()


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate after `step` updates: it falls linearly to 0 at `lr_anneal_steps`, or is constant."""
    return config.lr * (1.0 - step / config.lr_anneal_steps) if config.lr_anneal_steps else config.lr


def step_seed(seed: int, step: int, purpose: int) -> int:
    """An independent seed for each training step and purpose."""
    return int(np.random.SeedSequence([seed, step, purpose]).generate_state(1, np.uint64)[0]) >> 1


def training_windows(config: TrainingConfig, dataset: VideoDataset, start: int) -> Iterator[Window]:
    """The batches of training steps `start` to `config.steps - 1`. Raises `InputError` for broken data."""
    workers = config.num_workers if config.num_workers >= 0 else max(1, available_cores() - 1)
    loader = DataLoader(
        TrainingWindows(config, dataset),
        batch_size=None,
        sampler=range(start, config.steps),
        num_workers=workers,
    )
    for window in loader:
        if isinstance(window, Exception):
            raise window
        yield window


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
