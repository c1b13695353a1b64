"""Which diffusion steps a training step meets.

`uniform` draws all alike. `logit-normal` draws steps of medium noise more often, so their losses count more. Steps
drawn by their loss get weights instead, so that the expected loss is the uniform one.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from viddiff.diffusion.process import Diffusion
from viddiff.errors import InputError
from viddiff.window import Window

HISTORY = 10  # losses of a diffusion step
UNIFORM = 0.001  # the share of draws that are not by loss


class LossHistory:
    """The last losses of each diffusion step: a function of the training so far, saved with it.

    Nichol & Dhariwal 2021 (arXiv 2102.09672), section 3.3; their `loss-second-moment`.
    """

    def __init__(self, n_steps: int) -> None:
        self.losses = torch.zeros(n_steps, HISTORY, dtype=torch.float64)
        self.counts = torch.zeros(n_steps, dtype=torch.int64)

    def add(self, t: Int[Tensor, " B"], losses: Float[Tensor, " B"]) -> None:
        """Note the losses of a batch, without weights, in their order; the oldest of a step give way.

        Infinite ones, which float16 has now and then, are left out: they would be drawn for ever.
        """
        for step, loss in zip(t.tolist(), losses.tolist(), strict=True):
            if not math.isfinite(loss):
                continue
            self.losses[step] = self.losses[step].roll(-1)
            self.losses[step, -1] = loss
            self.counts[step] = min(int(self.counts[step]) + 1, HISTORY)

    def probabilities(self) -> Float64[np.ndarray, " steps"]:
        """In proportion to the root of the mean squared loss (eq. 18), all alike until each step has all its losses."""
        n_steps = len(self.counts)
        if bool((self.counts < HISTORY).any()):
            return np.full(n_steps, 1.0 / n_steps)
        moment = np.sqrt((self.losses.numpy() ** 2).mean(axis=1))
        total = moment.sum()
        share = moment / total if total > 0.0 else np.full(n_steps, 1.0 / n_steps)
        return (1.0 - UNIFORM) * share + UNIFORM / n_steps

    def saved(self) -> dict[str, Tensor]:
        """What `restore` takes."""
        return {"losses": self.losses, "counts": self.counts}

    def restore(self, saved: Any, path: Path) -> None:
        """Set to what was saved. Raises `InputError` that names the file if that is not a history of as many steps."""
        own = self.saved()
        for name, value in own.items():
            found = saved.get(name) if isinstance(saved, dict) else None
            if not isinstance(found, Tensor) or found.shape != value.shape or found.dtype != value.dtype:
                raise InputError(
                    f"{path}: lacks the losses by which diffusion steps are drawn (history.{name}, {value.dtype} "
                    f"{list(value.shape)}); train under a new run name"
                )
        for name, value in own.items():
            value.copy_(saved[name])


def draw_levels(
    sampler: str,
    diffusion: Diffusion,
    batch: int,
    generator: torch.Generator,
    history: LossHistory | None = None,
) -> tuple[Int[Tensor, " B"], Float[Tensor, " B"] | None]:
    """Diffusion steps for the windows of a batch, on the generator's device, and weights of their losses if not all 1.

    sampler: `uniform`, `logit-normal`, or `loss-second-moment`, which needs the history.
    """
    n_steps, device = diffusion.n_steps, generator.device
    if sampler == "uniform":
        return torch.randint(n_steps, (batch,), generator=generator, device=device), None
    by_loss = sampler == "loss-second-moment"
    if by_loss and history is None:
        raise ValueError("levels are drawn by loss, but there is no history of losses")
    probability = history.probabilities() if by_loss and history else logit_normal(diffusion)
    below = torch.from_numpy(np.cumsum(probability)).to(device)
    place = torch.rand(batch, generator=generator, device=device, dtype=torch.float64) * below[-1]
    t = torch.searchsorted(below, place, right=True).clamp(max=n_steps - 1)
    if not by_loss:
        return t, None
    return t, (1.0 / (n_steps * torch.from_numpy(probability).to(device)[t])).float()


def frame_levels(
    sampler: str,
    diffusion: Diffusion,
    window: Window,
    generator: torch.Generator,
    batch: int,
    rows: slice = slice(None),
) -> Int[Tensor, "R K"]:
    """Diffusion steps for each frame of these rows of a batch, as `draw_levels` draws them for windows.

    window: of these rows; steps are drawn for all `batch`.

    Chen et al. 2024 (arXiv 2407.01392), algorithm 1. Observed frames are told the step of the least noisy latent one,
    as in sampling (`viddiff.diffusion.walk.told_levels`).
    """
    frames = window.latent.shape[1]
    t, _ = draw_levels(sampler, diffusion, batch * frames, generator)
    t = t.view(batch, frames)[rows]
    latent, observed = window.latent.to(t.device), window.observed.to(t.device)
    lowest = t.masked_fill(~latent, diffusion.n_steps - 1).amin(dim=1, keepdim=True)
    return torch.where(observed, lowest, t)


def mean_levels(t: Int[Tensor, "B ..."], window: Window) -> Int[Tensor, " B"]:
    """The diffusion step of each window, where its frames have their own the mean of the latent frames', rounded."""
    if t.ndim == 1:
        return t
    latent = window.latent.to(t.device)
    return ((t * latent).sum(dim=1) / latent.sum(dim=1).clamp(min=1)).round().to(t.dtype)


def logit_normal(diffusion: Diffusion) -> Float64[np.ndarray, " steps"]:
    """The probability of each diffusion step if tau is drawn from the logit-normal distribution of location 0, scale 1.

    Esser et al. 2024 (arXiv 2403.03206), section 3.1: logit(tau) is standard normal, tau = sigma / (alpha + sigma) the
    time of a level on the straight line from frames to noise. A step has the probability of the times that are nearest
    to its own.
    """
    alpha_bar = diffusion.schedule.alpha_bar
    alpha, sigma = np.sqrt(alpha_bar), np.sqrt(1.0 - alpha_bar)
    tau = sigma / (alpha + sigma)
    edges = torch.from_numpy(0.5 * (tau[1:] + tau[:-1])).logit()
    below = np.concatenate([[0.0], torch.special.ndtr(edges).numpy(), [1.0]])
    return np.diff(below)
