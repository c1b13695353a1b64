"""Terms of the variational bound, in bits: Ho et al. 2020 (arXiv 2006.11239), eq. 5 and section 3.3."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from viddiff.diffusion.process import Diffusion
from viddiff.window import WindowFrames


def variational_bound(
    diffusion: Diffusion,
    x_0: WindowFrames,
    x_t: WindowFrames,
    estimate: WindowFrames,
    v: WindowFrames | Float[Tensor, ""],
    t: Int[Tensor, "B ..."],
) -> WindowFrames:
    """The bound's term at step t, per element, in bits: the decoder's at t = 0, else the KL divergence.

    estimate: the network's of x_0; v: the place of its variance, see `Estimate`. t: indices into the schedule, [B] of
    windows or [B, K] of frames.
    """
    tables = diffusion.schedule
    weight_x_0, weight_x_t = table_at(tables.posterior_mean_x_0, t), table_at(tables.posterior_mean_x_t, t)
    true_mean, mean = weight_x_0 * x_0 + weight_x_t * x_t, weight_x_0 * estimate + weight_x_t * x_t
    true_log_variance = table_at(tables.posterior_log_variance, t)
    log_variance = model_log_variance(diffusion, v, t)
    kl = kl_bits(true_mean, true_log_variance, mean, log_variance)
    return torch.where(over_frames(t == 0), decoder_bits(x_0, mean, log_variance), kl)


def prior_bits(diffusion: Diffusion, x_0: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """KL divergence of x_0 at the last diffusion step from N(0, 1), per element, in bits."""
    alpha_bar = float(diffusion.schedule.alpha_bar[-1])
    zero, log_variance = x_0.new_zeros(()), x_0.new_tensor(math.log1p(-alpha_bar))
    return kl_bits(math.sqrt(alpha_bar) * x_0, log_variance, zero, zero)


def model_log_variance(diffusion: Diffusion, v: Tensor, t: Int[Tensor, "B ..."]) -> Tensor:
    """Log variance of the reverse transition from step t, broadcastable to frames."""
    small, large = diffusion.schedule.posterior_log_variance, np.log(diffusion.schedule.betas)
    if diffusion.variance == "large":
        # At step 0 the posterior's value of step 1 gives the better decoder, as in the original.
        large = np.append(small[:1], large[1:])
    share = (v + 1.0) / 2.0
    return share * table_at(large, t) + (1.0 - share) * table_at(small, t)


def kl_bits(mean_p: Tensor, log_variance_p: Tensor, mean_q: Tensor, log_variance_q: Tensor) -> Tensor:
    """KL(p || q) of two Gaussians, per element, in bits."""
    difference = (mean_p - mean_q) ** 2 * torch.exp(-log_variance_q)
    ratio = torch.exp(log_variance_p - log_variance_q)
    return 0.5 / math.log(2.0) * (-1.0 + log_variance_q - log_variance_p + ratio + difference)


def decoder_bits(x_0: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Minus the log-likelihood of 8-bit levels in [-1, 1] under a Gaussian in 256 bins, per element, in bits."""

    def cumulative(edge: Tensor) -> Tensor:
        # The tanh approximation of the normal distribution function, as in the original.
        z = edge * torch.exp(-0.5 * log_variance)
        return 0.5 * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3)))

    centred = x_0 - mean
    upper, lower = cumulative(centred + 1.0 / 255.0), cumulative(centred - 1.0 / 255.0)
    tiny = 1e-12
    log_probability = torch.where(
        x_0 < -0.999,
        upper.clamp(min=tiny).log(),
        torch.where(x_0 > 0.999, (1.0 - lower).clamp(min=tiny).log(), (upper - lower).clamp(min=tiny).log()),
    )
    return -log_probability / math.log(2.0)


def table_at(table: np.ndarray, t: Int[Tensor, "B ..."]) -> Float[Tensor, "B k 1 1 1"]:
    """A schedule's entries at steps t, [B] of windows or [B, K] of frames, in float32, broadcastable to frames."""
    return over_frames(torch.from_numpy(table).to(t.device)[t].float())


def over_frames(values: Tensor) -> Tensor:
    """Values of windows or of frames as they broadcast to frames."""
    return values.reshape(*values.shape, *[1] * (5 - values.ndim))
