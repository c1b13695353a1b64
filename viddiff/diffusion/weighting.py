"""Weights of the squared error by noise level."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from viddiff.diffusion.prediction import PREDICTION
from viddiff.diffusion.process import Diffusion


def min_snr_weights(diffusion: Diffusion) -> Float64[np.ndarray, " steps"]:
    """Hang et al. 2023 (arXiv 2303.09556), section 3.4: the error of x_0 counts `min(SNR, gamma)`.

    SNR is `alpha_bar / (1 - alpha_bar)`. What is predicted differs from x_0 by a factor, whose square changes that:
    `min(SNR, gamma) / SNR` for eps, `min(SNR, gamma) / (SNR + 1)` for v.
    """
    alpha_bar = diffusion.schedule.alpha_bar
    factor = PREDICTION[diffusion.predicts].x_0(
        np.zeros_like(alpha_bar), np.ones_like(alpha_bar), np.sqrt(alpha_bar), np.sqrt(1.0 - alpha_bar)
    )
    return np.minimum(alpha_bar / (1.0 - alpha_bar), diffusion.min_snr_gamma) * factor**2
