"""Resampling: where it leads is known if the network is the best one, for every sampler."""

from __future__ import annotations

import math

import pytest
import torch
from gaussian import MEAN, SAMPLERS, SPREAD, even_levels, gaussian, generator_noise
from torch import Tensor

from viddiff.diffusion.denoiser import Estimate
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.resampling import resampled
from viddiff.diffusion.samplers.base import find_sampler
from viddiff.diffusion.treatment import Treatment
from viddiff.errors import InputError

LEVELS, N = even_levels(80), 3000


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_keep_their_distribution(sampler: str) -> None:
    noise = generator_noise(N)
    x = resampled(find_sampler(sampler), 2, 40)(gaussian, noise(), LEVELS, noise)
    assert float(x.mean()) == pytest.approx(MEAN, abs=4 * SPREAD / math.sqrt(N))
    assert float(x.std()) == pytest.approx(SPREAD, rel=0.06)


@pytest.mark.parametrize("sampler", ["heun", "dpm", "unipc"])
def test_each_sample_goes_where_the_flow_leads_from_its_noise(sampler: str) -> None:
    """What is standardised at the level that it goes up to stays so on the way down."""
    used, start, top = find_sampler(sampler), generator_noise(N)(), LEVELS[-50]
    plain = used(gaussian, start, LEVELS, generator_noise(N))
    made = resampled(used, 1, 50)(gaussian, start, LEVELS, generator_noise(N, seed=7))
    noisy = top.alpha * plain + top.sigma * generator_noise(N, seed=7)()
    whole = math.hypot(top.alpha * SPREAD, top.sigma)
    expected = MEAN + SPREAD * (noisy - top.alpha * MEAN) / whole
    torch.testing.assert_close(made, expected, atol=0.01, rtol=0)
    correlation = torch.corrcoef(torch.stack([plain.flatten(), made.flatten()]))[0, 1]
    assert float(correlation) == pytest.approx(top.alpha * SPREAD / whole, abs=0.05)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_evaluations_are_those_that_are_counted(sampler: str) -> None:
    seen: list[Level] = []

    def noted(x_t: Tensor, level: Level) -> Estimate:
        seen.append(level)
        return gaussian(x_t, level)

    noise = generator_noise(2)
    resampled(find_sampler(sampler), 3, 4)(noted, noise(), LEVELS[:9], noise)
    assert len(seen) == Treatment(resampling=(3, 4)).evaluations(sampler, 9)


def test_it_cannot_go_beyond_the_noisiest_level() -> None:
    assert Treatment(resampling=(1, 9)).evaluations("ddim", 10) == 19
    with pytest.raises(InputError, match="goes 10 noise levels up, must be less than the 10 that there are"):
        Treatment(resampling=(1, 10)).evaluations("ddim", 10)
