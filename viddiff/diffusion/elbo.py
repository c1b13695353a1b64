"""The variational bound of a window: how many bits the model needs for its latent frames, given the observed.

    -log2 p(x_0 | observed) <= KL(q(x_T | x_0) || N(0, 1)) + sum over t of the bits of the transition from x_t

Ho et al. 2020 (arXiv 2006.11239), eq. 5; the transition to x_0 is a distribution over the 256 grey levels
(section 3.3). Every term is estimated with one draw of noise, so the whole is unbiased.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from viddiff.diffusion.denoiser import Estimate, Network, add_noise, estimate_of
from viddiff.diffusion.likelihood import prior_bits, table_at, variational_bound
from viddiff.diffusion.prediction import PREDICTION
from viddiff.diffusion.process import Diffusion
from viddiff.errors import InputError
from viddiff.precision import full_float32
from viddiff.window import Window

StepNoise = Callable[[int], Float[Tensor, "K C H W"]]  # standard normal, by the diffusion step it is used at


@dataclass(frozen=True)
class WindowBound:
    """Terms of the bound, for every diffusion step from the noisiest on: sums over latent frames of frame means.

    prior: KL divergence of the noisiest frames, bits; vb: of the transitions, bits; xstart_mse: squared error of
    the estimates of x_0, clipped to [-1, 1]; mse: squared error of the noise that follows from these.
    """

    prior: float
    vb: Float64[np.ndarray, " steps"]
    xstart_mse: Float64[np.ndarray, " steps"]
    mse: Float64[np.ndarray, " steps"]

    @property
    def total(self) -> float:
        """Bits per dimension of a frame, summed over the latent frames."""
        return self.prior + float(self.vb.sum())


@torch.inference_mode()
def window_bound(
    model: Network, diffusion: Diffusion, window: Window, noise: StepNoise, batch_size: int
) -> WindowBound:
    """The bound of one window (a batch of one) whose latent frames are the true ones, 8-bit levels in [-1, 1].

    noise: called with indices into the schedule. batch_size: diffusion steps that share a network call.

    Raises `InputError` as `check_steps` does, and for a network whose output is not finite.
    """
    check_steps(diffusion)
    x_0, latent = window.frames, window.latent[0]

    def frame_sums(values: Float[Tensor, "b K C H W"]) -> Float64[Tensor, " b"]:
        return values[:, latent].mean(dim=(2, 3, 4), dtype=torch.float64).sum(dim=1)

    vb, xstart_mse = [], []
    for steps in torch.arange(diffusion.n_steps).flip(0).split(batch_size):
        eps = torch.stack([noise(step) for step in steps.tolist()]).to(x_0.device)
        t = steps.to(x_0.device)
        x_t, (estimate, v) = _estimate(model, diffusion, window, t, eps)
        vb.append(frame_sums(variational_bound(diffusion, x_0.expand_as(x_t), x_t, estimate, v, t)))
        xstart_mse.append(frame_sums((estimate - x_0) ** 2))
    bits = torch.cat(vb).cpu().numpy()
    if not np.isfinite(bits).all():
        raise InputError("the network's bound is not of finite numbers")
    alpha_bar = diffusion.schedule.alpha_bar[::-1]
    squared = torch.cat(xstart_mse).cpu().numpy()
    return WindowBound(
        prior=float(frame_sums(prior_bits(diffusion, x_0))),
        vb=bits,
        xstart_mse=squared,
        # eps = (x_t - alpha x_0) / sigma: the errors of both are proportional.
        mse=squared * alpha_bar / (1.0 - alpha_bar),
    )


def check_steps(diffusion: Diffusion) -> None:
    """Raise `InputError` if there is only one diffusion step: its transition would take the variance of another."""
    if diffusion.n_steps < 2:
        raise InputError("an ELBO needs 2 diffusion steps or more, respacing leaves 1")


def _estimate(
    model: Network, diffusion: Diffusion, window: Window, t: Tensor, eps: Tensor
) -> tuple[Tensor, Estimate]:
    """x_t of the window at several steps, a row for each, and the clipped estimates."""
    alpha_bar = diffusion.schedule.alpha_bar
    alpha, sigma = table_at(np.sqrt(alpha_bar), t), table_at(np.sqrt(1.0 - alpha_bar), t)
    x_t = add_noise(window.frames.expand_as(eps), eps, alpha, sigma)
    with full_float32():
        seen = PREDICTION[diffusion.predicts].input(x_t, alpha, sigma)
        rows = _repeated(window, len(t))
        output = model(seen, diffusion.network_time(t), rows, model.positions(rows))
    estimate = estimate_of(diffusion, output, x_t, alpha, sigma)
    if not estimate.x_0.isfinite().all():
        raise InputError("the network's estimates of frames are not finite numbers")
    return x_t, estimate._replace(x_0=estimate.x_0.clamp(-1.0, 1.0))


def _repeated(window: Window, n: int) -> Window:
    """A batch of n times the same window."""
    per_frame = (part.expand(n, -1) for part in (window.frame_index, window.observed, window.latent))
    return Window(window.frames.expand(n, -1, -1, -1, -1), *per_frame)
