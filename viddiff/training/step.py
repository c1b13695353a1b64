"""A training step: the losses of a batch of windows, and their gradients.

All that a step draws (crops, masks, diffusion steps, noise, dropout) depends on the seed and the step alone.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from viddiff.diffusion.denoiser import Network
from viddiff.diffusion.loss import Losses, training_loss
from viddiff.diffusion.process import Diffusion
from viddiff.precision import in_order
from viddiff.training.config import TrainingConfig
from viddiff.training.soundness import check_losses
from viddiff.training.windows import loss_mask
from viddiff.window import Window

MASKS, NOISE, DROPOUT = range(3)  # purposes of randomness


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
def loss_now(
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


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate after `step` updates: it falls linearly to 0 at `lr_anneal_steps`, or is constant."""
    return config.lr * (1.0 - step / config.lr_anneal_steps) if config.lr_anneal_steps else config.lr


def step_seed(seed: int, step: int, purpose: int) -> int:
    """An independent seed for each training step and purpose."""
    return int(np.random.SeedSequence([seed, step, purpose]).generate_state(1, np.uint64)[0]) >> 1
