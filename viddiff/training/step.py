"""A training step: the losses of a batch of windows, and their gradients.

All that a step draws (crops, masks, diffusion steps, noise, dropout) depends on the seed and the step alone.
"""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from viddiff.diffusion.denoiser import Network
from viddiff.diffusion.loss import Losses, training_loss
from viddiff.diffusion.observed_noise import ObservedNoise, with_noise
from viddiff.diffusion.process import Diffusion
from viddiff.precision import numerics
from viddiff.training.config import TrainingConfig
from viddiff.training.levels import LossHistory, draw_levels, frame_levels, mean_levels
from viddiff.training.observed_noise import draw_observed_noise
from viddiff.training.soundness import check_losses
from viddiff.training.windows import loss_mask
from viddiff.window import Window

MASKS, NOISE, DROPOUT, VALIDATION, OBSERVED = range(5)  # purposes of randomness


def forward_backward(
    model: Network,
    diffusion: Diffusion,
    window: Window,
    config: TrainingConfig,
    step: int,
    device: torch.device,
    history: LossHistory | None = None,
    precision: str = "float32",
    scaler: torch.amp.GradScaler | None = None,
) -> tuple[Losses, Int[Tensor, " B"]]:
    """Gradients of a batch's mean loss, by microbatches. Returns each window's losses and diffusion step.

    Where frames have steps of their own, that is their mean, see `mean_levels`.

    history: of the losses so far, if the diffusion steps are drawn by it. precision: tf32 or another; the network
    itself rounds to 16 bits. scaler: of the loss, in float16; gradients may be infinite then, and losses too. Raises
    `InputError` if losses are not finite without it.
    """
    scaled = scaler is not None and scaler.is_enabled()
    products = "tf32" if precision == "tf32" else "float32"
    batch = len(window.frames)
    t, weight, noise = drawn_noise(window, diffusion, config, step, device, history)
    observed = None
    if config.observed_noise:
        generator = torch.Generator(device).manual_seed(step_seed(config.seed, step, OBSERVED))
        observed = draw_observed_noise(window, config.observed_noise, generator)
    torch.manual_seed(step_seed(config.seed, step, DROPOUT))
    size = batch if config.microbatch < 1 else config.microbatch
    parts = []
    for start in range(0, batch, size):
        rows = slice(start, start + size)
        with numerics(products, device):
            losses = _row_losses(model, diffusion, window, rows, t, noise, config, observed)
            counted = losses.loss if weight is None else losses.loss * weight[rows]
            loss = counted.sum() / batch
            (scaler.scale(loss) if scaler is not None and scaled else loss).backward()
        parts.append((losses.loss.detach(), losses.latent_mse))
    losses = Losses(*(torch.cat(values).cpu() for values in zip(*parts, strict=True)))
    levels = mean_levels(t, window).cpu()
    if not scaled:
        check_losses(losses.loss, levels, diffusion.n_steps, config, step)
    return losses, levels


def drawn_noise(
    window: Window,
    diffusion: Diffusion,
    config: TrainingConfig,
    step: int,
    device: torch.device,
    history: LossHistory | None,
) -> tuple[Int[Tensor, "B ..."], Float[Tensor, " B"] | None, Float[Tensor, "B K C H W"]]:
    """The diffusion steps of a training step's windows, the weights of their losses if not all 1, and the noise."""
    generator = torch.Generator(device).manual_seed(step_seed(config.seed, step, NOISE))
    t: Tensor
    weight: Tensor | None = None
    if config.noise_levels == "per_frame":
        t = frame_levels(config.schedule_sampler, diffusion, window, generator)
    else:
        t, weight = draw_levels(config.schedule_sampler, diffusion, len(window.frames), generator, history)
    return t, weight, torch.randn(window.frames.shape, generator=generator, device=device)


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


def losses_at(
    model: Network,
    diffusion: Diffusion,
    window: Window,
    level: int,
    number: int,
    config: TrainingConfig,
    device: torch.device,
) -> Float[Tensor, " B"]:
    """The losses of a batch at one diffusion step, with noise that is of the batch's number alone, by microbatches."""
    generator = torch.Generator(device).manual_seed(step_seed(config.seed, number, VALIDATION))
    noise = torch.randn(window.frames.shape, generator=generator, device=device)
    t = torch.full((len(noise),), level, device=device)
    size = len(noise) if config.microbatch < 1 else config.microbatch
    rows = [slice(start, start + size) for start in range(0, len(noise), size)]
    return torch.cat([_row_losses(model, diffusion, window, part, t, noise, config).loss for part in rows])


def _row_losses(
    model: Network,
    diffusion: Diffusion,
    window: Window,
    rows: slice,
    t: Int[Tensor, "B ..."],
    noise: Float[Tensor, "B K C H W"],
    config: TrainingConfig,
    observed: ObservedNoise | None = None,
) -> Losses:
    """The losses of some windows of a batch, on the device of the noise."""
    micro = Window(*(getattr(window, item.name)[rows].to(noise.device) for item in fields(Window)))
    counted = loss_mask(micro, config.pad_with_random_frames)
    if observed is None:
        return training_loss(model, diffusion, micro, t[rows], noise[rows], counted)
    part = ObservedNoise(observed.level[rows], observed.eps[rows])
    return training_loss(model, diffusion, with_noise(micro, part), t[rows], noise[rows], counted, part.level)


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate of the update after `step` updates.

    It grows linearly over `lr_warmup_steps` updates, the last of them with `lr` (Goyal et al. 2017, arXiv 1706.02677,
    section 2.2). Then it falls to 0 at `lr_anneal_steps`, linearly or like half a cosine (Loshchilov & Hutter 2017,
    arXiv 1608.03983, eq. 5), or is constant.
    """
    warmup, end = config.lr_warmup_steps, config.lr_anneal_steps
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if not end:
        return config.lr
    share = (step - warmup) / (end - warmup)
    return config.lr * (
        0.5 * (1.0 + math.cos(math.pi * share)) if config.lr_schedule == "cosine" else 1.0 - share
    )


def step_seed(seed: int, step: int, purpose: int) -> int:
    """An independent seed for each training step and purpose."""
    return int(np.random.SeedSequence([seed, step, purpose]).generate_state(1, np.uint64)[0]) >> 1
