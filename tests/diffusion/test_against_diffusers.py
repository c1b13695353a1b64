"""Samplers against the independent ones of the library diffusers, on the same network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from gaussian import SAMPLERS
from seeded import TINY, seeded_model, seeded_noise
from torch import Tensor

from viddiff.diffusion.denoiser import Denoise, Estimate, clipped, network_denoiser
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.process import Diffusion, diffusion_of
from viddiff.diffusion.samplers.base import find_sampler
from viddiff.flat_config import with_defaults
from viddiff.window import Window

CONFIG = with_defaults(TINY | {"diffusion_steps": 1000, "predict_xstart": True, "sigma_small": True})

# For all: "trailing" with as many steps as the process has walks all of its levels, those that the respacing kept; and
# it ends at clean frames (sigma 0), not at the least noisy level. The network's estimate of x_0 is handed over as such
# ("sample"): eps would only be turned back into it, with rounding errors that grow with sigma / alpha.
WALK = {"timestep_spacing": "trailing", "prediction_type": "sample"}
ZERO = {"final_sigmas_type": "zero"}
MULTISTEP: dict[str, Any] = {"solver_type": "midpoint", "lower_order_final": True}
UNIPC: dict[str, Any] = {"solver_type": "bh2", "lower_order_final": True, "predict_x0": True}

# Midpoint is the 2M of the paper (algorithm 2). lower_order_final lowers the order of the last steps.
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    # "fixed_small" is the posterior's variance, v = -1.
    "ancestral": ("DDPMScheduler", {"variance_type": "fixed_small", "clip_sample": False}),
    # set_alpha_to_one: the last step goes to clean frames.
    "ddim": ("DDIMScheduler", {"set_alpha_to_one": True, "clip_sample": False}),
    "ddim-eta0.5": ("DDIMScheduler", {"set_alpha_to_one": True, "clip_sample": False}),
    "dpm": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", **MULTISTEP, **ZERO}),
    "sde-dpm": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", **MULTISTEP, **ZERO}),
    "unipc": ("UniPCMultistepScheduler", {"solver_order": 2, **UNIPC, **ZERO}),
    "unipc-order3": ("UniPCMultistepScheduler", {"solver_order": 3, **UNIPC, **ZERO}),
    # Of x / alpha, and takes eps alone.
    "heun": ("HeunDiscreteScheduler", {"prediction_type": "epsilon"}),
}


def denoiser() -> tuple[Denoise, Tensor]:
    """Of a window of two observed and two latent frames, and its noise.

    A tenth of what the random network says: differences of rounding must not grow from step to step.
    """
    shape = (1, 4, 3, 32, 32)
    observed = torch.tensor([[True, True, False, False]])
    window = Window(seeded_noise(1, shape).clamp(-1, 1), torch.tensor([[4, 9, 5, 7]]), observed, ~observed)
    denoise = network_denoiser(seeded_model(CONFIG), diffusion_of(CONFIG), window)

    def calmer(x_t: Tensor, level: Level) -> Estimate:
        estimate = denoise(x_t, level)
        return estimate._replace(x_0=0.1 * estimate.x_0)

    return clipped(calmer), seeded_noise(2, shape)


def by_diffusers(sampler: str, diffusion: Diffusion, denoise: Denoise, x: Tensor, seed: int) -> Tensor:
    kind, arguments = SCHEDULERS[sampler]
    levels, n = diffusion.levels(), diffusion.n_steps
    made = getattr(diffusers, kind)(
        trained_betas=diffusion.schedule.betas.tolist(), num_train_timesteps=n, **(WALK | arguments)
    )
    # In its float32 the 1 - alpha_bar of the least noisy step is off by 6e-4; Heun's method multiplies that.
    made.alphas_cumprod = torch.from_numpy(diffusion.schedule.alpha_bar)
    made.set_timesteps(n)
    more: dict[str, Any] = {"generator": torch.Generator().manual_seed(seed)}
    if sampler.startswith(("heun", "unipc")):
        more = {}
    if sampler == "ddim-eta0.5":
        more["eta"] = 0.5
    scaled = sampler == "heun"
    y = x / levels[0].alpha if scaled else x
    for t in made.timesteps:
        level = levels[n - 1 - round(float(t))]
        x_0 = denoise(y * level.alpha if scaled else y, level).x_0
        output = (y - x_0) * level.alpha / level.sigma if scaled else x_0
        y = made.step(output, t, y, **more).prev_sample
    return y


@pytest.mark.parametrize("sampler", SCHEDULERS)
def test_samplers_are_those_of_diffusers(sampler: str) -> None:
    """At uneven steps of log(alpha / sigma)."""
    diffusion = diffusion_of(CONFIG, "karras5")
    denoise, x = denoiser()
    with torch.no_grad():
        theirs = by_diffusers(sampler, diffusion, denoise, x, 3)
        ours = find_sampler(sampler)(denoise, x, diffusion.levels(), noise_of(x, 3))
    assert ours[:, 2:].std() > 0.01
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)


def noise_of(x: Tensor, seed: int) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(x.shape, generator=generator)


def test_all_samplers_are_compared() -> None:
    assert set(SCHEDULERS) == set(SAMPLERS) - {"ddim-eta1"}
