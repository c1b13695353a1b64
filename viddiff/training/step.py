"""A training step: the losses of a batch of windows, and their gradients.

All that a step draws (crops, masks, diffusion steps, noise, dropout) depends on the seed and the step alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from viddiff.diffusion.denoiser import Network
from viddiff.diffusion.loss import Losses, training_loss
from viddiff.diffusion.observed_noise import ObservedNoise, with_noise
from viddiff.diffusion.process import Diffusion
from viddiff.model.dropout import RowDropout, dropout_layers
from viddiff.precision import numerics
from viddiff.training.config import TrainingConfig
from viddiff.training.level_matrix import matrix_levels
from viddiff.training.levels import LossHistory, draw_levels, frame_levels, mean_levels
from viddiff.training.network import TrainingNetwork
from viddiff.training.observed_noise import draw_observed_noise
from viddiff.training.soundness import check_losses
from viddiff.training.windows import loss_mask
from viddiff.window import Window

MASKS, NOISE, DROPOUT, VALIDATION, OBSERVED = range(5)  # purposes of randomness


def forward_backward(
    network: TrainingNetwork,
    diffusion: Diffusion,
    window: Window,
    config: TrainingConfig,
    step: int,
    history: LossHistory | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> tuple[Losses, Int[Tensor, " B"]]:
    """Gradients of a batch's mean loss, by microbatches. Returns each window's losses and diffusion step.

    Where frames have steps of their own, that is their mean, see `mean_levels`.

    window: this process's rows of the batch; what is returned is of all. history: of the losses so far, if the
    diffusion steps are drawn by it. scaler: of the loss, in float16; gradients may be infinite then, and losses too.
    Raises `InputError`, in all processes, if losses are not finite without it.
    """
    scaled = scaler is not None and scaler.is_enabled()
    products = "tf32" if network.precision == "tf32" else "float32"  # the network itself rounds to 16 bits
    device, batch, count = network.device, config.batch_size, len(window.frames)
    own = network.processes.rows(batch)
    t, weight, noise = drawn_noise(window, diffusion, config, step, device, history, own)
    observed = None
    if config.observed_noise:
        generator = torch.Generator(device).manual_seed(step_seed(config.seed, step, OBSERVED))
        whole = draw_observed_noise((batch, *window.frames.shape[1:]), config.observed_noise, generator)
        observed = ObservedNoise(whole.level[own], whole.eps[own])
    size = count if config.microbatch < 1 else config.microbatch
    parts = []
    for start in range(0, count, size):
        rows = slice(start, start + size)
        seed_dropout(network.dropping, config.seed, step, range(batch)[own][rows])
        with numerics(products, device), network.averaging(last=start + size >= count):
            losses = _row_losses(network, diffusion, window, rows, t, noise, config, observed)
            counted = losses.loss if weight is None else losses.loss * weight[rows]
            loss = counted.sum() / count
            (scaler.scale(loss) if scaler is not None and scaled else loss).backward()
        parts.append((losses.loss.detach(), losses.latent_mse))
    whole_batch = (network.processes.whole(torch.cat(values)).cpu() for values in zip(*parts, strict=True))
    losses = Losses(*whole_batch)
    levels = network.processes.whole(mean_levels(t, window)).cpu()
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
    rows: slice = slice(None),
) -> tuple[Int[Tensor, "R ..."], Float[Tensor, " R"] | None, Float[Tensor, "R K C H W"]]:
    """The diffusion steps of these rows of a batch, the weights of their losses if not all 1, and the noise.

    window: of these rows. All is drawn for the whole batch, by seed and training step alone.
    """
    batch, shape = config.batch_size, window.frames.shape[1:]
    generator = torch.Generator(device).manual_seed(step_seed(config.seed, step, NOISE))
    t: Tensor
    weight: Tensor | None = None
    if config.noise_levels == "per_frame":
        t = frame_levels(config.schedule_sampler, diffusion, window, generator, batch, rows)
    elif config.noise_levels != "per_window":
        t = matrix_levels(config.noise_levels, diffusion, window, generator, batch, rows)
    else:
        t, weight = draw_levels(config.schedule_sampler, diffusion, batch, generator, history)
        t, weight = t[rows], None if weight is None else weight[rows]
    return t, weight, torch.randn((batch, *shape), generator=generator, device=device)[rows]


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
    seed_dropout(dropout_layers(model), config.seed, step, [0])
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


def seed_dropout(layers: Sequence[RowDropout], seed: int, step: int, rows: Iterable[int]) -> None:
    """Give each layer, for each of these rows of the batch, a seed of its own."""
    seeds = [
        np.random.SeedSequence([seed, step, DROPOUT, row]).generate_state(len(layers), np.uint64) >> 1
        for row in rows
    ]
    for number, layer in enumerate(layers):
        layer.seeds = [int(own[number]) for own in seeds]


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
