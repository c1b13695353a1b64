"""A diffusion process as a checkpoint's config describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float, Int
from torch import Tensor

from viddiff.diffusion.noise_schedule import Level, NoiseSchedule, noise_schedule

Variance = Literal["small", "large", "learned"]


@dataclass(frozen=True)
class Diffusion:
    """The noise schedule, and what the network was trained to say about it.

    predicts: the network's output is eps or x_0.
    variance: of the reverse transitions. `small`: the posterior's. `large`: beta. `learned`: the network
        gives a place between the two (Nichol & Dhariwal 2021, eq. 15).
    time_scale: the network is told the diffusion step times this.
    loss: `mse` or `kl` (the variational bound).
    vb_weight: weight of the variational bound beside the `mse` when the variance is learned.
    """

    schedule: NoiseSchedule
    predicts: Literal["eps", "x_0"]
    variance: Variance
    time_scale: float
    loss: Literal["mse", "kl"]
    vb_weight: float

    @property
    def n_steps(self) -> int:
        return len(self.schedule)

    def levels(self) -> list[Level]:
        """All noise levels, the noisiest first."""
        alpha_bar = self.schedule.alpha_bar
        return [
            Level(float(a) ** 0.5, (1.0 - float(a)) ** 0.5, step * self.time_scale)
            for a, step in zip(alpha_bar[::-1], self.schedule.steps[::-1], strict=True)
        ]

    def network_time(self, t: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Diffusion steps (indices into the schedule) as the network is told them."""
        return t.new_tensor(self.schedule.steps)[t].float() * self.time_scale


def diffusion_of(config: dict[str, Any], respacing: str = "") -> Diffusion:
    """The process of a full config (see `viddiff.flat_config.with_defaults`), respaced if asked.

    A respacing that the config itself names is the checkpoint's own; `respacing` replaces it.

    Raises `InputError` for an unknown schedule or an impossible respacing.
    """
    n_steps = config["diffusion_steps"]
    schedule = noise_schedule(config["noise_schedule"], n_steps).respaced(
        respacing or config["timestep_respacing"]
    )
    variance: Variance = "small" if config["sigma_small"] else "large"
    return Diffusion(
        schedule=schedule,
        predicts="x_0" if config["predict_xstart"] else "eps",
        variance="learned" if config["learn_sigma"] else variance,
        time_scale=1000.0 / n_steps if config["rescale_timesteps"] else 1.0,
        loss="kl" if config["use_kl"] else "mse",
        vb_weight=len(schedule) / 1000.0 if config["rescale_learned_sigmas"] else 1.0,
    )
