"""Terms of the variational bound, in bits: Ho et al. 2020 (arXiv 2006.11239), eq. 5 and section 3.3."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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
