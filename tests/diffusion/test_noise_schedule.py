"""Noise schedules: the recorded tables, and what must hold for any number of steps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeded import GOLDEN

from viddiff.diffusion.noise_schedule import NoiseSchedule, noise_schedule, zero_terminal_snr
from viddiff.diffusion.process import diffusion_of
from viddiff.diffusion.respacing import respaced_steps
from viddiff.errors import InputError
from viddiff.flat_config import DEFAULTS, with_defaults

RECORDED = {
    "betas": "betas",
    "alphas_cumprod": "alpha_bar",
    "posterior_variance": "posterior_variance",
    "posterior_log_variance_clipped": "posterior_log_variance",
    "posterior_mean_coef1": "posterior_mean_x_0",
    "posterior_mean_coef2": "posterior_mean_x_t",
}


def test_tables_are_the_recorded_ones() -> None:
    with np.load(GOLDEN / "diffusion_tables.npz", allow_pickle=False) as tables:
        assert len(tables) > 0
        for key, table in tables.items():
            name, n_steps, quantity = key.split("_", 2)
            ours = getattr(noise_schedule(name, int(n_steps)), RECORDED[quantity])
            np.testing.assert_allclose(ours, table, rtol=1e-12, atol=1e-12, err_msg=key)


@given(st.sampled_from(["linear", "cosine"]), st.integers(40, 400), st.integers(1, 40))
def test_respaced_schedules_keep_the_noise_of_their_steps(name: str, n_steps: int, count: int) -> None:
    full = noise_schedule(name, n_steps)
    respaced = full.respaced(str(count))
    assert respaced.steps == respaced_steps(n_steps, str(count))
    np.testing.assert_allclose(respaced.alpha_bar, full.alpha_bar[list(respaced.steps)], rtol=1e-6)
    # Respacing to all steps changes nothing but rounding.
    np.testing.assert_allclose(full.respaced(str(n_steps)).betas, full.betas, rtol=1e-6)
    assert full.respaced("") is full


def test_noisier_linear_ends_a_quarter_noisier() -> None:
    plain, noisier = noise_schedule("linear", 500), noise_schedule("noisier_linear", 500)
    assert noisier.betas[0] == plain.betas[0] == 2e-4
    assert noisier.betas[-1] == 5e-2 and plain.betas[-1] == 4e-2
    np.testing.assert_allclose(np.diff(noisier.betas), (5e-2 - 2e-4) / 499, rtol=1e-9)
    with pytest.raises(InputError, match="at step 23 of 24"):
        noise_schedule("noisier_linear", 24)


@given(st.integers(1, 2000))
def test_cosine_takes_any_number_of_steps(n_steps: int) -> None:
    schedule = noise_schedule("cosine", n_steps)
    assert len(schedule) == n_steps
    assert (schedule.betas > 0).all() and (schedule.betas <= 0.999).all()
    assert (np.diff(schedule.alpha_bar) < 0).all()


@given(st.integers(2, 2000))
def test_linear_takes_20_steps_or_more(n_steps: int) -> None:
    """Below, the last beta exceeds 1."""
    if n_steps < 20:
        with pytest.raises(InputError, match=f"of {n_steps}; allowed: above 0, at most 1") as error:
            noise_schedule("linear", n_steps)
        assert "\n" not in str(error.value)
    else:
        assert (noise_schedule("linear", n_steps).betas <= 1.0).all()


@pytest.mark.parametrize("beta", [0.0, -0.1, 1.1, np.nan])
def test_betas_must_lie_in_0_1(beta: float) -> None:
    with pytest.raises(InputError, match="at step 1 of 3"):
        NoiseSchedule(np.array([0.1, beta, 0.2]), (0, 1, 2))


def test_unknown_schedules_are_named() -> None:
    with pytest.raises(InputError, match="noise_schedule is 'sqrt'; allowed: linear, noisier_linear, cosine"):
        noise_schedule("sqrt", 100)
    with pytest.raises(InputError, match="diffusion_steps is 0"):
        noise_schedule("linear", 0)


def test_levels_go_from_noise_to_frames_at_the_times_the_network_knows() -> None:
    config = DEFAULTS | {"diffusion_steps": 50, "noise_schedule": "cosine"}
    diffusion = diffusion_of(config, "5")
    levels = diffusion.levels()
    assert [level.t for level in levels] == [20.0 * step for step in reversed(respaced_steps(50, "5"))]
    assert all(a.sigma > b.sigma for a, b in pairwise(levels))
    np.testing.assert_allclose([level.alpha**2 + level.sigma**2 for level in levels], 1.0, rtol=1e-12)
    unscaled = diffusion_of(config | {"rescale_timesteps": False}, "5")
    assert [level.t for level in unscaled.levels()] == list(reversed(respaced_steps(50, "5")))


def test_a_config_has_its_own_respacing() -> None:
    config = DEFAULTS | {"diffusion_steps": 50, "timestep_respacing": "10"}
    assert diffusion_of(config).n_steps == 10
    assert diffusion_of(config, "ddim25").n_steps == 25


@pytest.mark.parametrize(
    ("key", "value"), [("diffusion_steps", "24"), ("timestep_respacing", 25), ("use_kl", None)]
)
def test_values_of_the_wrong_type_are_named(key: str, value: object) -> None:
    with pytest.raises(InputError, match=f"^config key {key} is {value!r}; must be "):
        diffusion_of(with_defaults({key: value}))


@pytest.mark.parametrize("name", ["linear", "noisier_linear", "cosine"])
def test_zero_terminal_snr_shifts_and_scales_the_signal(name: str) -> None:
    """Lin et al. 2024, algorithm 1, in their own order of operations."""
    plain = noise_schedule(name, 1000)
    ours = zero_terminal_snr(plain)
    root = np.cumprod(1 - plain.betas) ** 0.5
    first, last = root[0], root[-1]
    root = (root - last) * (first / (first - last))
    np.testing.assert_allclose(ours.alpha_bar, root**2, rtol=1e-8, atol=1e-15)
    assert ours.alpha_bar[-1] == 0.0 and ours.alpha_bar[0] == pytest.approx(plain.alpha_bar[0], rel=1e-12)
    for spec in ("1", "10", "trailing7", "logsnr7", "karras7"):
        assert (ours.respaced(spec).alpha_bar[-1] == 0.0) or spec == "1"
    for table in (ours.posterior_variance, ours.posterior_mean_x_0, ours.posterior_mean_x_t):
        assert np.isfinite(table).all()


def test_zero_terminal_snr_needs_two_steps() -> None:
    with pytest.raises(InputError, match="zero_terminal_snr is true; it needs 2 diffusion_steps"):
        zero_terminal_snr(noise_schedule("linear", 1000).respaced("1"))
