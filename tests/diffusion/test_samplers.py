"""Samplers: whole chains of the recorded models, and a Gaussian target, for which all is known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from inspect import signature
from itertools import pairwise

import numpy as np
import pytest
import torch
from gaussian import (
    MEAN,
    SAMPLERS,
    SPREAD,
    even_levels,
    gaussian,
    generator_noise,
    no_noise,
    values,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import MODELS, recorded, seeded_noise
from torch import Tensor

from viddiff.diffusion.denoiser import Estimate, clipped, estimate_of, network_denoiser
from viddiff.diffusion.noise_schedule import CLEAN, Level
from viddiff.diffusion.process import diffusion_of
from viddiff.diffusion.sampler_names import evaluations
from viddiff.diffusion.samplers.ancestral import ancestral, reverse_transition
from viddiff.diffusion.samplers.base import find_sampler
from viddiff.diffusion.samplers.base import sampler as samplers
from viddiff.diffusion.samplers.ddim import ddim
from viddiff.flat_config import DEFAULTS, with_defaults
from viddiff.window import Window

WITH_FIRST = [name for name in MODELS if name != "refactored"]


def in_turn(draws: Sequence[Tensor]) -> Callable[[], Tensor]:
    iterator: Iterator[Tensor] = iter(draws)
    return lambda: next(iterator)


# Recorded chains. A network's output differs by rounding between machines, here by up to 7e-6; as x_0 is
# (x_t - sigma eps) / alpha, and alpha is 4e-4 at the noisiest of 24 linear steps, that makes up to 2e-2 in x_0. Nearly
# all such x_0 are clipped; the few that are not (6 to 12 of 36,864 values) carry the difference to the end of a short
# chain. The original's own layers, computed on another machine than the recorded one, differ as much, and the recorded
# values differ as much from float64, so no order of operations could do better.
ROUNDING = 1e-5


@pytest.mark.parametrize("name", WITH_FIRST)
def test_first_transition_is_the_recorded_one(name: str) -> None:
    r = recorded(name)
    diffusion = diffusion_of(with_defaults(r.config))
    level, lower = diffusion.levels()[:2]
    with torch.no_grad():
        estimate = clipped(network_denoiser(r.model, diffusion, r.window))(r.x_t, level)
    mean, log_variance = reverse_transition(r.x_t, estimate, level, lower)
    np.testing.assert_allclose(mean, r.results["first_mean"], atol=1e-4, rtol=0)
    wanted = r.results["first_log_variance"]
    np.testing.assert_allclose(log_variance.expand(wanted.shape), wanted, atol=1e-5, rtol=0)
    amplified = ROUNDING * level.sigma / level.alpha if diffusion.predicts == "eps" else 1e-4
    np.testing.assert_allclose(estimate.x_0, r.results["first_pred_xstart"], atol=amplified, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_ancestral_chain_is_the_recorded_one(name: str) -> None:
    """Of the second window alone, to save time; it is the one with padding."""
    r = recorded(name)
    diffusion = diffusion_of(with_defaults(r.config))
    noise = seeded_noise(int(r.results["ddpm_noise_seed"]), (diffusion.n_steps, *r.x_t.shape))[:, 1:]
    window = Window(*(getattr(r.window, field.name)[1:] for field in fields(Window)))
    denoise = clipped(network_denoiser(r.model, diffusion, window))
    with torch.no_grad():
        x = ancestral(denoise, r.x_t[1:], diffusion.levels(), in_turn(noise.flip(0)))
    np.testing.assert_allclose(x, r.results["ddpm_sample"][1:], atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", WITH_FIRST)
def test_ddim_chain_is_the_recorded_one(name: str) -> None:
    r = recorded(name)
    diffusion = diffusion_of(with_defaults(r.config), "5")
    levels = diffusion.levels()
    denoise = clipped(network_denoiser(r.model, diffusion, r.window))
    with torch.no_grad():
        x = ddim(denoise, r.x_t, levels, no_noise).numpy()
    difference = np.abs(x - r.results["ddim5_sample"])
    amplified = np.zeros(difference.shape, dtype=bool)
    if diffusion.predicts == "eps":
        amplified = np.abs(r.results["first_pred_xstart"]) < 1.0
        assert amplified.sum() < 20
        assert difference[amplified].max() < ROUNDING * levels[0].sigma / levels[0].alpha
    assert difference[~amplified].max() < 1e-3


@settings(deadline=None)
@given(
    st.sampled_from(["linear", "cosine"]),
    st.integers(20, 60),
    st.one_of(st.just(""), st.integers(1, 20).map(str)),
    st.integers(0, 1000),
)
def test_ddim_with_eta_1_is_ancestral_with_the_small_variance(
    schedule: str, n_steps: int, respacing: str, seed: int
) -> None:
    config = DEFAULTS | {"noise_schedule": schedule, "diffusion_steps": n_steps}
    levels = diffusion_of(config, respacing).levels()
    x_t = generator_noise(50, seed)()
    a = ancestral(gaussian, x_t, levels, generator_noise(50, seed + 1))
    b = ddim(gaussian, x_t, levels, generator_noise(50, seed + 1), eta=1.0)
    torch.testing.assert_close(a, b, atol=1e-9, rtol=0)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("v", [-1.0, 0.0, 1.0])
def test_samples_have_the_targets_mean_and_variance(sampler: str, v: float) -> None:
    n = 40_000
    levels = even_levels(200)
    x_t = (
        math.hypot(levels[0].alpha * SPREAD, levels[0].sigma) * generator_noise(n, 1)()
        + levels[0].alpha * MEAN
    )
    x = find_sampler(sampler)(partial(gaussian, v=v), x_t, levels, generator_noise(n, 2))
    assert abs(float(x.mean()) - MEAN) < 5 * SPREAD / math.sqrt(n)
    # The standard error of the variance is 0.7%; 200 steps add up to 2% (small variance: less, large: more).
    assert abs(float(x.var()) / SPREAD**2 - 1.0) < 0.06


def exact_variance(levels: Sequence[Level], v: float) -> float:
    """Of ancestral sampling on the Gaussian target, by propagating it through every (linear) transition."""
    spread = math.hypot(levels[0].alpha * SPREAD, levels[0].sigma) ** 2
    ends = values(torch.tensor([0.0, 1.0], dtype=torch.float64))
    for level, lower in pairwise(levels):
        mean, log_variance = reverse_transition(ends, gaussian(ends, level, v), level, lower)
        spread = float(mean[1] - mean[0]) ** 2 * spread + float(log_variance.exp())
    gain = gaussian(ends, levels[-1]).x_0.diff(dim=0)
    return float(gain) ** 2 * spread


@pytest.mark.parametrize("v", [-1.0, 1.0])
def test_ancestral_variance_approaches_the_targets_with_order_1(v: float) -> None:
    """From below with the small variance, from above with the large one."""
    excess = [exact_variance(even_levels(n), v) / SPREAD**2 - 1.0 for n in (200, 400, 800)]
    assert all(value * v > 0 for value in excess)
    np.testing.assert_allclose(np.divide(excess[1:], excess[:-1]), 0.5, atol=0.03)


def test_the_place_of_the_variance_spans_small_to_large() -> None:
    """The smallest variance is the posterior's, the largest beta. Each value may have a place of its own."""
    x_t, (level, lower) = generator_noise(4)(), even_levels(30)[:2]
    beta = 1.0 - (level.alpha / lower.alpha) ** 2
    ends = math.log(beta * lower.sigma**2 / level.sigma**2), math.log(beta)
    for place in (-1.0, 0.5, 1.0):
        estimate = gaussian(x_t, level, place)
        mean, log_variance = reverse_transition(x_t, estimate, level, lower)
        wanted = np.interp(place, (-1.0, 1.0), ends)
        torch.testing.assert_close(log_variance, x_t.new_tensor(wanted))
        learned = estimate._replace(v=torch.full_like(x_t, place))
        same_mean, log_variances = reverse_transition(x_t, learned, level, lower)
        assert torch.equal(same_mean, mean) and torch.equal(log_variances, log_variance.expand_as(x_t))


@pytest.mark.parametrize("v", [-1.0, 0.0, 1.0])
def test_the_last_transition_adds_no_noise(v: float) -> None:
    x_t, level = generator_noise(4)(), even_levels(30)[-1]
    estimate = gaussian(x_t, level, v)
    mean, log_variance = reverse_transition(x_t, estimate, level, CLEAN)
    torch.testing.assert_close(mean, estimate.x_0)
    assert log_variance.exp() == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("variance", "place"), [("small", -1.0), ("large", 1.0), ("learned", 0.25)])
def test_the_variance_always_has_a_place(variance: str, place: float, dtype: torch.dtype) -> None:
    diffusion = replace(diffusion_of(DEFAULTS), variance=variance)
    output = torch.full((2, 3, 6 if variance == "learned" else 3, 4, 4), place, dtype=dtype)
    estimate = estimate_of(diffusion, output, torch.zeros(2, 3, 3, 4, 4, dtype=dtype), 0.8, 0.6)
    if variance == "learned":
        assert estimate.v.shape == estimate.x_0.shape == (2, 3, 3, 4, 4)
    else:
        assert estimate.v.shape == ()  # one for all: no memory
    assert estimate.v.dtype == dtype and (estimate.v == place).all()


@pytest.mark.parametrize("sampler", samplers.names())
def test_samplers_are_called_alike(sampler: str) -> None:
    """Whatever more one takes is a keyword with a default."""
    parameters = list(signature(samplers.find(sampler)).parameters.values())
    assert [parameter.name for parameter in parameters[:4]] == ["denoise", "x", "levels", "noise"]
    for parameter in parameters[4:]:
        assert parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("n_steps", [1, 2, 3, 10])
def test_levels_are_walked_down_and_the_last_step_adds_no_noise(sampler: str, n_steps: int) -> None:
    levels, seen, drawn = even_levels(n_steps), [], []

    def denoise(x_t: Tensor, level: Level) -> Estimate:
        seen.append(level)
        return gaussian(x_t, level)

    def noise() -> Tensor:
        drawn.append(True)
        return values(torch.zeros(3, dtype=torch.float64))

    x = find_sampler(sampler)(denoise, values(torch.zeros(3, dtype=torch.float64)), levels, noise)
    assert list(dict.fromkeys(seen)) == levels and seen == sorted(seen)
    assert len(seen) == evaluations(sampler, n_steps)
    stochastic = sampler in ("ancestral", "sde-dpm") or sampler.startswith("ddim-eta")
    assert len(drawn) == (n_steps - 1 if stochastic else 0)
    assert torch.isfinite(x).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("spec", ["1", "2", "3", "20", "karras4", "logsnr4"])
def test_pure_noise_and_few_steps(sampler: str, spec: str) -> None:
    """With 20 linear steps the last beta is 1: the noisiest frames hold no signal (alpha = 0)."""
    levels = diffusion_of(DEFAULTS | {"diffusion_steps": 20}, spec).levels()
    assert spec in ("1", "2", "3") or levels[0].alpha == 0.0
    x = find_sampler(sampler)(clipped(gaussian), values(torch.ones(3)), levels, lambda: values(torch.ones(3)))
    assert torch.isfinite(x).all() and x.abs().max() <= 1.0


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("spec", ["1", "2", "trailing1", "trailing2", "karras2", "logsnr5"])
def test_the_ends_of_long_schedules(sampler: str, schedule: str, spec: str) -> None:
    """In float32, as networks compute: the noisiest cosine step has sigma / alpha 20,000."""
    levels = diffusion_of(DEFAULTS | {"noise_schedule": schedule}, spec).levels()
    x_t, noise = values(torch.linspace(-3.0, 3.0, 7)), lambda: values(torch.linspace(3.0, -3.0, 7))
    x = find_sampler(sampler)(clipped(gaussian), x_t, levels, noise)
    assert torch.isfinite(x).all() and x.abs().max() <= 1.0 + 1e-6


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "ancestral"])
def test_only_ancestral_sampling_uses_the_place_of_the_variance(sampler: str) -> None:
    made = [
        find_sampler(sampler)(
            partial(gaussian, v=v), generator_noise(4, 1)(), even_levels(8), generator_noise(4, 2)
        )
        for v in (-1.0, torch.linspace(-1.0, 1.0, 4))
    ]
    assert torch.equal(*made)


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(deadline=None, max_examples=20)
@given(
    spec=st.sampled_from(["", "7", "3,2", "ddim8", "trailing7", "logsnr7", "karras7"]),
    schedule=st.sampled_from(["linear", "noisier_linear", "cosine"]),
    seed=st.integers(0, 1000),
    rows=st.integers(1, 5),
)
def test_a_row_is_the_same_in_any_batch(sampler: str, spec: str, schedule: str, seed: int, rows: int) -> None:
    levels = diffusion_of(DEFAULTS | {"diffusion_steps": 40, "noise_schedule": schedule}, spec).levels()
    draws = [values(torch.randn(rows, generator=torch.Generator().manual_seed(seed + i))) for i in range(41)]

    def made(part: slice) -> Tensor:
        noise = in_turn([draw[part] for draw in draws[1:]])
        return find_sampler(sampler)(clipped(gaussian), draws[0][part], levels, noise)

    whole = made(slice(None))
    assert torch.isfinite(whole).all()
    for row in range(rows):
        assert torch.equal(made(slice(row, row + 1)), whole[row : row + 1])


def test_clipping_keeps_estimates_where_frames_live() -> None:
    x_t = values(torch.tensor([-3.0, 0.5, 3.0]))
    estimate = clipped(lambda x_t, _: Estimate(x_t, x_t))(x_t, Level(1.0, 0.0, 0.0))
    assert estimate.x_0.flatten().tolist() == [-1.0, 0.5, 1.0]
    assert torch.equal(estimate.v, x_t)
