"""Spacings by the noise of steps: which steps of the trained process they keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viddiff.diffusion.noise_schedule import noise_schedule
from viddiff.diffusion.spacing import spaced_steps
from viddiff.errors import InputError

SCHEDULES = st.sampled_from(["linear", "noisier_linear", "cosine"])


@settings(deadline=None)
@given(SCHEDULES, st.sampled_from(["logsnr", "karras"]), st.integers(25, 300), st.data())
def test_exactly_so_many_steps_are_kept_the_noisiest_among_them(
    name: str, kind: str, n_steps: int, data: st.DataObject
) -> None:
    """25 is the least that the noisier linear schedule takes; there the last beta is 1, and nothing is left of x_0."""
    count = data.draw(st.integers(1, n_steps))
    full = noise_schedule(name, n_steps)
    kept = spaced_steps(full.alpha_bar, f"{kind}{count}")
    assert len(kept) == count and list(kept) == sorted(set(kept))
    assert kept[0] >= 0 and kept[-1] == n_steps - 1
    if count == n_steps:
        assert kept == tuple(range(n_steps))
    respaced = full.respaced(f"{kind}{count}")
    assert respaced.steps == kept
    np.testing.assert_allclose(respaced.alpha_bar, full.alpha_bar[list(kept)], rtol=1e-6)


@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize("kind", ["logsnr", "karras"])
def test_the_steps_nearest_to_even_places_are_kept_if_they_differ(name: str, kind: str) -> None:
    alpha_bar = noise_schedule(name, 1000).alpha_bar
    sigma = np.sqrt((1.0 - alpha_bar) / alpha_bar)
    measure = np.log(sigma) if kind == "logsnr" else sigma ** (1 / 7)
    checked = 0
    for count in range(2, 40):
        apart = np.abs(measure[:, None] - np.linspace(measure[0], measure[-1], count))
        nearest = apart.argmin(0).tolist()
        if len(set(nearest)) == count:
            assert list(spaced_steps(alpha_bar, f"{kind}{count}")) == nearest
            checked += 1
    assert checked >= 4


def test_a_step_that_is_taken_gives_way_to_the_next_less_noisy_one() -> None:
    """All noise is in the last step: evenly in log-SNR, most places lie between it and the one before."""
    alpha_bar = np.array([0.9, 0.89, 0.88, 0.87, 0.86, 1e-8])
    assert spaced_steps(alpha_bar, "logsnr4") == (0, 3, 4, 5)
    assert spaced_steps(alpha_bar, "logsnr6") == (0, 1, 2, 3, 4, 5)
    crowded = np.array([1 - 1e-9, 0.5, 0.49, 0.48, 0.47, 0.46])
    assert spaced_steps(crowded, "logsnr4") == (0, 1, 2, 5)


def test_a_step_without_a_signal_is_kept() -> None:
    alpha_bar = noise_schedule("linear", 20).alpha_bar
    assert alpha_bar[-1] == 0.0
    for kind in ("logsnr", "karras"):
        for count in range(1, 21):
            assert spaced_steps(alpha_bar, f"{kind}{count}")[-1] == 19


def test_too_many_steps_are_refused() -> None:
    with pytest.raises(InputError, match="respacing 'karras21': cannot take 21 of 20 steps"):
        noise_schedule("linear", 20).respaced("karras21")
