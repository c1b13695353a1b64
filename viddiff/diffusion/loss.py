"""The training loss: Ho et al. 2020, arXiv 2006.11239, eq. 14; learned variance: Nichol & Dhariwal 2021, eq. 16."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from viddiff.diffusion.denoiser import Network, add_noise, prediction_and_v
from viddiff.diffusion.likelihood import table_at, variational_bound
from viddiff.diffusion.prediction import PREDICTION
from viddiff.diffusion.process import Diffusion
from viddiff.diffusion.weighting import min_snr_weights
from viddiff.window import Window, WindowFrames


class Losses(NamedTuple):
    """Per window: sums over the counted frames, divided by all elements of the window as in the original.

    loss: to be minimised; counts the frames of the loss mask.
    latent_mse: the squared error alone, over the latent frames; without gradient.
    """

    loss: Float[Tensor, " B"]
    latent_mse: Float[Tensor, " B"]


def training_loss(
    model: Network,
    diffusion: Diffusion,
    window: Window,
    t: Int[Tensor, "B ..."],
    noise: WindowFrames,
    loss_mask: Bool[Tensor, "B K"],
    observed_noise: Float[Tensor, " B"] | None = None,
) -> Losses:
    """The loss at diffusion steps `t` (indices into the schedule, [B] of windows or [B, K] of frames), with that noise.

    observed_noise: what the network is told of the noise on observed frames, if there is any.
    """
    x_0 = window.frames
    alpha_bar = table_at(diffusion.schedule.alpha_bar, t)
    alpha, sigma = alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt()
    x_t = add_noise(x_0, noise, alpha, sigma)
    kind = PREDICTION[diffusion.predicts]
    told = {} if observed_noise is None else {"observed_noise": observed_noise}
    call: Callable[..., Tensor] = model  # a network that is told of noise takes one argument more
    seen = kind.input(x_t, alpha, sigma)
    output = call(seen, diffusion.network_time(t), window, model.positions(window), **told)
    prediction, v = prediction_and_v(diffusion, output)
    counted = loss_mask[:, :, None, None, None]
    error = (kind.target(x_0, noise, alpha, sigma) - prediction) ** 2
    latent_mse = (error.detach() * window.latent[:, :, None, None, None]).flatten(1).mean(dim=1)
    if diffusion.min_snr_gamma:
        error = error * table_at(min_snr_weights(diffusion), t)
    loss = (error * counted).flatten(1).mean(dim=1)
    if diffusion.loss == "mse" and diffusion.variance != "learned":
        return Losses(loss, latent_mse)
    estimate = kind.x_0(x_t, prediction, alpha, sigma)
    if diffusion.loss == "kl":
        bound = variational_bound(diffusion, x_0, x_t, estimate, v, t)
        return Losses(diffusion.n_steps * (bound * counted).flatten(1).mean(dim=1), latent_mse)
    # The bound trains the variance only: the mean's gradient comes from the squared error.
    bound = variational_bound(diffusion, x_0, x_t, estimate.detach(), v, t)
    return Losses(loss + diffusion.vb_weight * (bound * counted).flatten(1).mean(dim=1), latent_mse)
