"""How much noise each diffusion step carries.

`x_t = alpha_t x_0 + sigma_t eps` with `alpha_t^2 = alpha_bar_t`, the product of `1 - beta` up to t, and
`sigma_t^2 = 1 - alpha_bar_t` (Ho et al. 2020, arXiv 2006.11239, eq. 4). Steps count from 0, the least noisy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from viddiff.diffusion.respacing import BY_NOISE, respaced_steps
from viddiff.diffusion.spacing import spaced_steps
from viddiff.errors import InputError

MOST_STEPS = 100_000
# The last beta of 1000 steps; the second is the original code's own.
LINEAR = {"linear": 2e-2, "noisier_linear": 2.5e-2}
Table = Float[np.ndarray, "steps"]


class Level(NamedTuple):
    """One noise level: `x_t = alpha x_0 + sigma eps`. `t` is the diffusion step as the network is told it."""

    alpha: float
    sigma: float
    t: float


class FrameLevels(Level):
    """Levels of each frame of windows: alpha and sigma are tensors [B, K, 1, 1, 1], t one [B, K].

    Denoisers take them as they take a `Level` of whole windows.
    """


CLEAN = Level(1.0, 0.0, -1.0)


@dataclass(frozen=True)
class NoiseSchedule:
    """The tables of a diffusion process, in float64.

    steps: for each entry the step of the process that the network was trained on.
    """

    betas: Table
    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        wrong = np.flatnonzero(~((self.betas > 0) & (self.betas <= 1)))
        if wrong.size:
            raise InputError(
                f"noise schedule: beta is {self.betas[wrong[0]]:.4g} at step {wrong[0]} of "
                f"{len(self.betas)}; allowed: above 0, at most 1 (use more diffusion steps)"
            )

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def alpha_bar(self) -> Table:
        return np.cumprod(1.0 - self.betas)

    @cached_property
    def alpha_bar_previous(self) -> Table:
        return np.append(1.0, self.alpha_bar[:-1])

    @cached_property
    def posterior_variance(self) -> Table:
        """Of `q(x_{t-1} | x_t, x_0)`: Ho et al. 2020, eq. 7."""
        return self.betas * (1.0 - self.alpha_bar_previous) / (1.0 - self.alpha_bar)

    @cached_property
    def posterior_log_variance(self) -> Table:
        """The logarithm; at step 0, where the variance is 0, the value of step 1."""
        return np.log(np.append(self.posterior_variance[1:2], self.posterior_variance[1:]))

    @cached_property
    def posterior_mean_x_0(self) -> Table:
        """The weight of x_0 in the mean of `q(x_{t-1} | x_t, x_0)`."""
        return self.betas * np.sqrt(self.alpha_bar_previous) / (1.0 - self.alpha_bar)

    @cached_property
    def posterior_mean_x_t(self) -> Table:
        """The weight of x_t in the mean of `q(x_{t-1} | x_t, x_0)`."""
        return (1.0 - self.alpha_bar_previous) * np.sqrt(1.0 - self.betas) / (1.0 - self.alpha_bar)

    def respaced(self, spec: str) -> NoiseSchedule:
        """Keep only some steps; the betas follow from the alpha_bar of those kept. `""` keeps all.

        Nichol & Dhariwal 2021 (arXiv 2102.09672), section 4.
        """
        if not spec:
            return self
        by_noise = spec.startswith(BY_NOISE)
        kept = spaced_steps(self.alpha_bar, spec) if by_noise else respaced_steps(len(self), spec)
        alpha_bar = self.alpha_bar[list(kept)]
        betas = 1.0 - alpha_bar / np.append(1.0, alpha_bar[:-1])
        return NoiseSchedule(betas, tuple(self.steps[k] for k in kept))


def noise_schedule(name: str, n_steps: int) -> NoiseSchedule:
    """The named schedule: `linear` (Ho et al. 2020, scaled to any number of steps), `noisier_linear` or `cosine`.

    Raises `InputError` for an unknown name, or if the betas leave (0, 1].
    """
    if not 1 <= n_steps <= MOST_STEPS:
        raise InputError(f"config key diffusion_steps is {n_steps}; allowed: 1 to {MOST_STEPS}")
    if name in LINEAR:
        scale = 1000 / n_steps
        betas = np.linspace(scale * 1e-4, scale * LINEAR[name], n_steps, dtype=np.float64)
    elif name == "cosine":
        betas = cosine_betas(n_steps)
    else:
        raise InputError(f"config key noise_schedule is {name!r:.60}; allowed: {', '.join(LINEAR)}, cosine")
    return NoiseSchedule(betas, tuple(range(n_steps)))


def zero_terminal_snr(schedule: NoiseSchedule) -> NoiseSchedule:
    """The schedule rescaled so that the last step has no signal and the first is as it was.

    Lin et al. 2024 (arXiv 2305.08891), algorithm 1: sqrt(alpha_bar) is shifted and scaled. Raises `InputError` for a
    schedule of one step.
    """
    if len(schedule) < 2:
        raise InputError("config key zero_terminal_snr is true; it needs 2 diffusion_steps or more")
    root = np.sqrt(schedule.alpha_bar)
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    betas = 1.0 - (root / np.append(1.0, root[:-1])) ** 2
    return NoiseSchedule(betas, schedule.steps)


def cosine_betas(n_steps: int) -> Table:
    """Nichol & Dhariwal 2021, eq. 17; betas are at most 0.999."""

    def alpha_bar(time: float) -> float:
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    ratios = [alpha_bar((i + 1) / n_steps) / alpha_bar(i / n_steps) for i in range(n_steps)]
    return np.array([min(1.0 - ratio, 0.999) for ratio in ratios])
