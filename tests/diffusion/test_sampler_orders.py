"""How fast samplers approach what is exact, as levels get more: on a Gaussian target, without chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from gaussian import MEAN, SPREAD, at, gaussian, levels_between, no_noise, values
from torch import Tensor

from viddiff.diffusion.denoiser import Estimate
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.samplers.base import find_sampler

STEPS = (20, 40, 80, 160)


def slopes(errors: Sequence[float]) -> np.ndarray:
    """Orders, by each doubling of the number of steps."""
    return -np.diff(np.log(errors)) / np.diff(np.log(STEPS))


@pytest.mark.parametrize(
    ("sampler", "order"), [("ddim", 1), ("dpm", 2), ("heun", 2), ("unipc", 3), ("unipc-order3", 3)]
)
def test_solvers_of_the_probability_flow_have_their_order(sampler: str, order: int) -> None:
    """Between two levels; the step from the last one to the clean frames is no solver's. UniPC's corrector adds one
    to the predictor's order, but its first step, without an estimate before, is of the third at most."""
    standard = values(torch.linspace(-2.0, 2.0, 9, dtype=torch.float64))
    errors = []
    for n_steps in STEPS:
        levels = levels_between(n_steps)
        made = find_sampler(sampler)(gaussian, at(standard, levels[0]), levels, no_noise)
        exact = gaussian(at(standard, levels[-1]), levels[-1]).x_0
        errors.append(float((made - exact).abs().max()))
    assert errors[0] < 0.1
    np.testing.assert_allclose(slopes(errors)[-1], order, atol=0.15)


def exact_variance(sampler: str, levels: Sequence[Level]) -> float:
    """Of the samples of a Gaussian target with the mean 0: each is a sum of independent draws with weights.

    The rows of a batch are the weights of the start and of each draw after it.
    """
    unit = torch.eye(len(levels), dtype=torch.float64)
    draws = iter(unit[1:])
    start = math.hypot(levels[0].alpha * SPREAD, levels[0].sigma)

    def centred(x: Tensor, level: Level) -> Estimate:
        estimate = gaussian(x + level.alpha * MEAN, level)
        return estimate._replace(x_0=estimate.x_0 - MEAN)

    weights = find_sampler(sampler)(centred, start * values(unit[0]), levels, lambda: values(next(draws)))
    return float(weights.square().sum())


@pytest.mark.parametrize(
    ("sampler", "order"), [("ancestral", 1), ("ddim-eta0.5", 1), ("ddim-eta1", 1), ("sde-dpm", 2), ("dpm", 2)]
)
def test_the_variance_of_samples_approaches_the_targets_with_the_order(sampler: str, order: int) -> None:
    errors = []
    for n_steps in STEPS:
        levels = levels_between(n_steps)
        last = levels[-1]
        ends = values(torch.tensor([0.0, 1.0], dtype=torch.float64))
        gain = float(gaussian(ends, last).x_0.diff(dim=0))
        exact = gain**2 * math.hypot(last.alpha * SPREAD, last.sigma) ** 2
        errors.append(abs(exact_variance(sampler, levels) / exact - 1.0))
    np.testing.assert_allclose(slopes(errors)[-1], order, atol=0.15)
    assert errors[-1] < (0.05 if order == 1 else 0.002)


def test_the_first_step_of_the_sde_is_ancestral_sampling_with_the_small_variance() -> None:
    levels = levels_between(2)
    x = values(torch.linspace(-2.0, 2.0, 5, dtype=torch.float64))
    draws = [values(torch.linspace(1.0, -1.0, 5, dtype=torch.float64))] * 2
    made = [
        find_sampler(name)(gaussian, x, levels, iter(draws).__next__) for name in ("sde-dpm", "ancestral")
    ]
    torch.testing.assert_close(*made, atol=1e-12, rtol=0)
