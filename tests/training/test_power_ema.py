"""Averages chosen after training: their profiles against integrals, and trainings whose averages are known."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import SETTINGS, Stub, make_data, open_data

from viddiff.__main__ import main
from viddiff.checkpoint import checkpoint_dict, encode, load_checkpoint
from viddiff.errors import InputError
from viddiff.jobs.post_hoc_ema import write_post_hoc
from viddiff.training import loop
from viddiff.training.config import training_config
from viddiff.training.ema import start_average, update_average
from viddiff.training.loop import train
from viddiff.training.power_ema import LENGTHS, Snapshot, combination, exponent, power_rate, profile_product
from viddiff.tree.paths import Evaluation

STEPS, EVERY = 1000, 50


def profile(snapshot: Snapshot, tau: np.ndarray) -> np.ndarray:
    gamma = exponent(snapshot.length)
    return np.where(tau <= snapshot.step, (gamma + 1) * (tau / snapshot.step) ** gamma / snapshot.step, 0.0)


@settings(deadline=None)
@given(st.floats(0.01, 0.25))
def test_the_exponent_gives_the_spread(length: float) -> None:
    """The standard deviation of tau under tau^gamma on [0, 1], from its moments."""
    gamma = exponent(length)
    mean, square = (gamma + 1) / (gamma + 2), (gamma + 1) / (gamma + 3)
    assert (square - mean**2) ** 0.5 == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize("a", [Snapshot(40, 0.05), Snapshot(100, 0.1), Snapshot(100, 0.2)])
@pytest.mark.parametrize("b", [Snapshot(100, 0.05), Snapshot(60, 0.15)])
def test_products_of_profiles_are_their_integrals(a: Snapshot, b: Snapshot) -> None:
    tau = (np.arange(400_000) + 0.5) / 4000
    integral = (profile(a, tau) * profile(b, tau)).mean() * 100
    assert profile_product(a, b) == profile_product(b, a) == pytest.approx(integral, rel=1e-3)


# Weights of a training: constant, linear in time, settling, and jumping about.
TIME = np.arange(1, STEPS + 1)
NOISE = np.random.default_rng(0).standard_normal(STEPS)
TRAJECTORY = torch.from_numpy(
    np.stack([np.full(STEPS, 0.7), TIME / STEPS, np.exp(-5 * TIME / STEPS), NOISE], 1)
)


@functools.cache
def averaged(length: float) -> dict[int, torch.Tensor]:
    """The average of the trajectory as training keeps it, at all steps that are saved."""
    average, saved = start_average({"w": torch.full((4,), 99.0, dtype=torch.float64)}), {}
    for step in range(STEPS):
        update_average(average, {"w": TRAJECTORY[step]}, power_rate(length, step))
        if (step + 1) % EVERY == 0:
            saved[step + 1] = average["w"].clone()
    return saved


def test_a_power_average_is_the_known_one_of_a_line() -> None:
    """The mean of tau under tau^gamma is (gamma + 1) / (gamma + 2); of where training began nothing is left."""
    for length in (0.05, 0.2):
        gamma = exponent(length)
        made = averaged(length)[STEPS]
        assert made[0] == pytest.approx(0.7, abs=1e-12)
        assert made[1] == pytest.approx((gamma + 1) / (gamma + 2), abs=1e-3)


def test_another_length_follows_from_two() -> None:
    """As if the average of that length had been kept in training."""
    saved = {length: averaged(length) for length in LENGTHS}
    snapshots = [Snapshot(step, length) for length in LENGTHS for step in saved[length]]
    for length in (0.03, 0.05, 0.08, 0.15, 0.2):
        weights, distance = combination(snapshots, Snapshot(STEPS, length))
        made = sum(w * saved[one.length][one.step] for w, one in zip(weights, snapshots, strict=True))
        direct = averaged(length)[STEPS]
        assert distance < 0.05
        np.testing.assert_allclose(made[:3], direct[:3], atol=2e-3)
        assert abs(float(made[3] - direct[3])) < 0.02
    weights, distance = combination(snapshots, Snapshot(STEPS, 0.1))
    assert distance < 1e-6 and sum(weights) == pytest.approx(1.0, abs=1e-6)


def test_a_length_that_the_saved_ones_do_not_make_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"length 0.25 at step 100 cannot be made of the 2 .* nearest sum is \d+% off"
    ):
        combination([Snapshot(100, length) for length in LENGTHS], Snapshot(100, 0.25))


def save(path: Path, weights: torch.Tensor, step: int, **config: object) -> None:
    path.write_bytes(encode(checkpoint_dict({"w": weights.float()}, {"T": 5} | config, step)))


def test_the_command_writes_a_checkpoint_that_says_what_it_is(tmp_path: Path, capsys) -> None:
    saved = {length: averaged(length) for length in LENGTHS}
    for length in LENGTHS:
        for step, weights in saved[length].items():
            save(tmp_path / f"power_{length}_{step:06d}.pt", weights, step)
    main(["post-hoc-ema", str(tmp_path), "--length", "0.08"])
    path = tmp_path / "posthoc" / "ema_0.08_001000.pt"
    assert capsys.readouterr().out.startswith(f"{path}: its profile is 0.")
    made = load_checkpoint(path)
    assert (made.step, made.config) == (STEPS, {"T": 5, "ema_length": 0.08})
    torch.testing.assert_close(made.state_dict["w"], averaged(0.08)[STEPS].float(), atol=0.02, rtol=0)
    evaluation = Evaluation.named("run/posthoc", "ema_0.08_001000", "autoreg_10_5_60_10")
    assert evaluation.checkpoint_file(tmp_path.parent).parts[-2:] == ("posthoc", path.name)
    written = path.read_bytes()
    assert write_post_hoc(tmp_path, 0.08)[0].read_bytes() == written  # again
    removed = next(tmp_path.glob("power_*_000500.pt"))
    kept = removed.read_bytes()
    removed.unlink()
    with pytest.raises(
        InputError, match=r"ema_0\.08_001000\.pt is there, made of other averages: move it away"
    ):
        write_post_hoc(tmp_path, 0.08)
    removed.write_bytes(kept)
    assert path.read_bytes() == written
    earlier, _ = write_post_hoc(tmp_path, 0.1, 500)
    torch.testing.assert_close(
        load_checkpoint(earlier).state_dict["w"], saved[0.1][500].float(), atol=1e-4, rtol=0
    )


def test_what_cannot_be_averaged_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"holds no averages power_… of any step; train with post_hoc_ema: true"
    ):
        write_post_hoc(tmp_path, 0.1)
    with pytest.raises(InputError, match=r"length is 0\.5, must be 0\.01 to 0\.25"):
        write_post_hoc(tmp_path, 0.5)
    for step in (10, 20):
        save(tmp_path / f"power_0.1_{step:06d}.pt", torch.ones(4), step)
    with pytest.raises(InputError, match=r"of step 15; saved: 10, 20"):
        write_post_hoc(tmp_path, 0.1, 15)
    save(tmp_path / "power_0.1_000020.pt", torch.ones(4), 20, num_channels=64)
    with pytest.raises(InputError, match=r"power_0\.1_000010\.pt: its step or its settings are not those of"):
        write_post_hoc(tmp_path, 0.1)


def test_training_keeps_saves_and_resumes_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "build_model", lambda config: Stub())
    make_data(tmp_path / "data")
    data = open_data(tmp_path / "data")
    config = training_config(SETTINGS | {"post_hoc_ema": True, "save_interval": 1, "steps": 6})
    done: list[int] = []
    train(config, data, tmp_path / "a", progress=done.append, stop=lambda: done[-1] == 3)
    train(config, data, tmp_path / "a")
    average = start_average(load_checkpoint(tmp_path / "a/model_000001.pt").state_dict)
    for step in range(1, 6):
        update_average(
            average,
            load_checkpoint(tmp_path / f"a/model_{step + 1:06d}.pt").state_dict,
            power_rate(0.1, step),
        )
    for name, value in load_checkpoint(tmp_path / "a/power_0.1_000006.pt").state_dict.items():
        torch.testing.assert_close(value, average[name])
    write_post_hoc(tmp_path / "a", 0.1)
    train(
        training_config(SETTINGS | {"post_hoc_ema": True, "save_interval": 1, "steps": 7}),
        data,
        tmp_path / "a",
    )


def test_one_latest_set_is_not_enough() -> None:
    with pytest.raises(InputError, match="post_hoc_ema is true, and save_latest_only too"):
        training_config(SETTINGS | {"post_hoc_ema": True, "save_latest_only": True})
    with pytest.raises(InputError, match="post_hoc_ema is true, and keep_last is 2: averages of many steps"):
        training_config(SETTINGS | {"post_hoc_ema": True, "keep_last": 2})
