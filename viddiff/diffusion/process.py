"""A diffusion process as a checkpoint's config describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from viddiff.diffusion.noise_schedule import Level, NoiseSchedule
from viddiff.diffusion.settings import Predicts, check_diffusion, predicts, schedule_of
from viddiff.flat_config import own_setting

Variance = Literal["small", "large", "learned"]


@dataclass(frozen=True)
class Diffusion:
    """The noise schedule, and what the network was trained to say about it.

    predicts: what the network's output is, see `viddiff.diffusion.prediction`.
    variance: of the reverse transitions. `small`: the posterior's. `large`: beta. `learned`: the network
        gives a place between the two (Nichol & Dhariwal 2021, eq. 15).
    time_scale: the network is told the diffusion step times this; if it predicts `edm`, `times` say what.
    loss: `mse` or `kl` (the variational bound).
    vb_weight: weight of the variational bound beside the `mse` when the variance is learned.
    min_snr_gamma: of the weights of the `mse`, see `viddiff.diffusion.weighting`; 0: all are 1.
    """

    schedule: NoiseSchedule
    predicts: Predicts
    variance: Variance
    time_scale: float
    loss: Literal["mse", "kl"]
    vb_weight: float
    min_snr_gamma: float = 0.0

    @property
    def n_steps(self) -> int:
        return len(self.schedule)

    @property
    def times(self) -> list[float]:
        """What the network is told of each diffusion step.

        For `edm` Karras et al. 2022 (arXiv 2206.00364), table 1: c_noise = 1/4 log(sigma / alpha).
        """
        if self.predicts == "edm":
            alpha_bar = self.schedule.alpha_bar
            return [float(time) for time in 0.125 * (np.log1p(-alpha_bar) - np.log(alpha_bar))]
        return [step * self.time_scale for step in self.schedule.steps]

    def levels(self) -> list[Level]:
        """All noise levels, the noisiest first."""
        alpha_bar = self.schedule.alpha_bar
        return [
            Level(float(a) ** 0.5, (1.0 - float(a)) ** 0.5, time)
            for a, time in zip(alpha_bar[::-1], self.times[::-1], strict=True)
        ]

    def network_time(self, t: Int[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """Diffusion steps (indices into the schedule) as the network is told them."""
        if self.predicts == "edm":
            return torch.tensor(self.times, device=t.device)[t]
        return t.new_tensor(self.schedule.steps)[t].float() * self.time_scale


def diffusion_of(config: dict[str, Any], respacing: str = "") -> Diffusion:
    """The process of a full config (see `viddiff.flat_config.with_defaults`), respaced if asked.

    A respacing that the config itself names is the checkpoint's own; `respacing` replaces it.

    Raises `InputError` for an impossible respacing, and as `viddiff.diffusion.settings.check_diffusion` does.
    """
    n_steps = config["diffusion_steps"]
    check_diffusion(config)
    schedule = schedule_of(config, respacing)
    variance: Variance = "small" if config["sigma_small"] else "large"
    return Diffusion(
        schedule=schedule,
        predicts=predicts(config),
        variance="learned" if config["learn_sigma"] else variance,
        time_scale=1000.0 / n_steps if config["rescale_timesteps"] else 1.0,
        loss="kl" if config["use_kl"] else "mse",
        vb_weight=len(schedule) / 1000.0 if config["rescale_learned_sigmas"] else 1.0,
        min_snr_gamma=own_setting(config, "min_snr_gamma"),
    )
