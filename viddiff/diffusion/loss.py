"""The training loss: Ho et al. 2020, arXiv 2006.11239, eq. 14; learned variance: Nichol & Dhariwal 2021, eq. 16."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from viddiff.diffusion.denoiser import x_0_from_eps
from viddiff.diffusion.likelihood import decoder_bits, kl_bits
from viddiff.diffusion.process import Diffusion
from viddiff.model.unet import UNetVideoModel
from viddiff.window import Window


class Losses(NamedTuple):
    """Per window: sums over the counted frames, divided by all elements of the window as in the original.

    loss: to be minimised; counts the frames of the loss mask.
    latent_mse: the squared error alone, over the latent frames; without gradient.
    """

    loss: Float[Tensor, " B"]
    latent_mse: Float[Tensor, " B"]


def training_loss(
    model: UNetVideoModel,
    diffusion: Diffusion,
    window: Window,
    t: Int[Tensor, " B"],
    noise: Float[Tensor, "B K C H W"],
    loss_mask: Bool[Tensor, "B K"],
) -> Losses:
    """The loss at diffusion steps `t` (indices into the schedule) with the given noise."""
    x_0 = window.frames
    alpha_bar = _at(diffusion.schedule.alpha_bar, t)
    x_t = alpha_bar.sqrt() * x_0 + (1.0 - alpha_bar).sqrt() * noise
    output = model(x_t, diffusion.network_time(t), window)
    v = None
    if diffusion.variance == "learned":
        output, v = output.chunk(2, dim=2)
    counted = loss_mask[:, :, None, None, None]
    error = ((x_0 if diffusion.predicts == "x_0" else noise) - output) ** 2
    latent_mse = (error.detach() * window.latent[:, :, None, None, None]).flatten(1).mean(dim=1)
    if diffusion.loss == "kl":
        bound = variational_bound(diffusion, x_0, x_t, output, v, t)
        return Losses(diffusion.n_steps * (bound * counted).flatten(1).mean(dim=1), latent_mse)
    loss = (error * counted).flatten(1).mean(dim=1)
    if v is not None:
        # The bound trains the variance only: the mean's gradient comes from the squared error.
        bound = variational_bound(diffusion, x_0, x_t, output.detach(), v, t)
        loss = loss + diffusion.vb_weight * (bound * counted).flatten(1).mean(dim=1)
    return Losses(loss, latent_mse)


def variational_bound(
    diffusion: Diffusion, x_0: Tensor, x_t: Tensor, output: Tensor, v: Tensor | None, t: Int[Tensor, " B"]
) -> Float[Tensor, "B K C H W"]:
    """The bound's term at step t, per element, in bits: the decoder's at t = 0, else the KL divergence.

    output: the network's eps or x_0; v: its variance output, if learned. The estimate of x_0 is not clipped.
    """
    tables = diffusion.schedule
    if diffusion.predicts == "eps":
        alpha_bar = _at(tables.alpha_bar, t)
        output = x_0_from_eps(x_t, output, alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt())
    weight_x_0, weight_x_t = _at(tables.posterior_mean_x_0, t), _at(tables.posterior_mean_x_t, t)
    true_mean, mean = weight_x_0 * x_0 + weight_x_t * x_t, weight_x_0 * output + weight_x_t * x_t
    true_log_variance = _at(tables.posterior_log_variance, t)
    log_variance = model_log_variance(diffusion, v, t)
    kl = kl_bits(true_mean, true_log_variance, mean, log_variance)
    return torch.where((t == 0)[:, None, None, None, None], decoder_bits(x_0, mean, log_variance), kl)


def model_log_variance(diffusion: Diffusion, v: Tensor | None, t: Int[Tensor, " B"]) -> Tensor:
    """Log variance of the reverse transition from step t, broadcastable to frames."""
    tables = diffusion.schedule
    small = _at(tables.posterior_log_variance, t)
    if diffusion.variance == "small":
        return small
    if diffusion.variance == "large":
        # At step 0 the posterior's value of step 1 gives the better decoder, as in the original.
        return _at(np.append(tables.posterior_log_variance[:1], np.log(tables.betas[1:])), t)
    share = (v + 1.0) / 2.0
    return share * _at(np.log(tables.betas), t) + (1.0 - share) * small


def _at(table: np.ndarray, t: Int[Tensor, " B"]) -> Float[Tensor, "B 1 1 1 1"]:
    return torch.from_numpy(table).to(t.device)[t].float()[:, None, None, None, None]
