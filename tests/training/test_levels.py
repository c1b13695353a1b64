"""Which diffusion steps are drawn and how they count: distributions, weights, and a state that is saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import SETTINGS, Stub

from viddiff.checkpoint import load_tensors
from viddiff.diffusion.prediction import PREDICTION
from viddiff.diffusion.process import Diffusion, diffusion_of
from viddiff.diffusion.settings import PREDICTIONS
from viddiff.diffusion.weighting import min_snr_weights
from viddiff.errors import InputError
from viddiff.flat_config import DEFAULTS
from viddiff.training import loop
from viddiff.training.config import training_config
from viddiff.training.levels import HISTORY, UNIFORM, LossHistory, draw_levels, logit_normal
from viddiff.training.loop import train

BY_LOSS = SETTINGS | {
    "schedule_sampler": "loss-second-moment",
    "steps": 24,
    "save_interval": 24,
    "diffusion_steps": 2,
}


def process(**config: object) -> Diffusion:
    return diffusion_of(DEFAULTS | {"noise_schedule": "cosine", **config})


def drawn(sampler: str, diffusion: Diffusion, n: int, history: LossHistory | None = None):
    return draw_levels(sampler, diffusion, n, torch.Generator().manual_seed(0), history)


def filled(losses: list[float]) -> LossHistory:
    history = LossHistory(len(losses))
    for _ in range(HISTORY):
        history.add(torch.arange(len(losses)), torch.tensor(losses))
    return history


def test_logit_normal_is_that_of_the_paper() -> None:
    """With many fine steps: the probability that tau is below a bound, against draws of sigmoid(N(0, 1))."""
    diffusion = process(diffusion_steps=4000)
    probability = logit_normal(diffusion)
    assert probability.sum() == pytest.approx(1.0) and probability.min() >= 0.0
    alpha, sigma = (np.array(x) for x in zip(*[level[:2] for level in diffusion.levels()[::-1]], strict=True))
    tau = sigma / (alpha + sigma)
    draws = 1.0 / (1.0 + np.exp(-np.random.default_rng(0).standard_normal(200_000)))
    for bound in (0.1, 0.3, 0.5, 0.8, 0.95):
        assert probability[tau < bound].sum() == pytest.approx((draws < bound).mean(), abs=0.005)
    t, weight = drawn("logit-normal", diffusion, 50_000)
    assert weight is None
    assert (tau[t] < 0.3).mean() == pytest.approx((draws < 0.3).mean(), abs=0.01)


@pytest.mark.parametrize("config", [{"diffusion_steps": 1}, {"zero_terminal_snr": True, "prediction": "v"}])
def test_logit_normal_at_the_ends(config: dict[str, object]) -> None:
    assert logit_normal(process(**config)).sum() == pytest.approx(1.0)


def test_draws_by_loss_have_its_root_mean_square_and_weights_that_undo_it() -> None:
    losses = [1.0, 2.0, 0.0, 5.0]
    diffusion, history = process(diffusion_steps=4), filled(losses)
    probability = (1 - UNIFORM) * np.array(losses) / 8.0 + UNIFORM / 4
    np.testing.assert_allclose(history.probabilities(), probability)
    t, weight = drawn("loss-second-moment", diffusion, 100_000, history)
    np.testing.assert_allclose(np.bincount(t, minlength=4) / 100_000, probability, atol=0.006)
    # The expected weighted loss is the mean over all steps.
    np.testing.assert_allclose(weight, 1 / (4 * probability[t]), rtol=1e-5)
    assert float((weight * torch.tensor(losses)[t]).mean()) == pytest.approx(np.mean(losses), rel=0.02)


def test_all_steps_are_alike_until_each_has_all_its_losses() -> None:
    history = filled([1.0, 3.0])
    assert history.probabilities()[1] > 0.7
    history = LossHistory(2)
    history.add(torch.tensor([1] * 50), torch.full((50,), 9.0))
    np.testing.assert_array_equal(history.probabilities(), [0.5, 0.5])
    assert (drawn("loss-second-moment", process(diffusion_steps=2), 7, history)[1] == 1.0).all()


def test_the_oldest_losses_give_way() -> None:
    history = filled([8.0, 1.0])
    history.add(torch.tensor([0, 1]), torch.tensor([float("inf"), float("nan")]))
    assert torch.equal(history.losses, filled([8.0, 1.0]).losses)
    history.add(torch.zeros(HISTORY, dtype=torch.int64), torch.arange(10.0))
    assert history.losses[0].tolist() == list(range(10))
    np.testing.assert_allclose(filled([0.0, 0.0]).probabilities(), 0.5)


def test_the_losses_are_saved_and_resumed_to_the_last_bit(tmp_path: Path, data, monkeypatch) -> None:
    monkeypatch.setattr(loop, "build_model", lambda config: Stub())
    done: list[int] = []
    train(training_config(BY_LOSS), data, tmp_path / "a", progress=done.append, stop=lambda: done[-1] == 19)
    train(training_config(BY_LOSS), data, tmp_path / "a")
    train(training_config(BY_LOSS), data, tmp_path / "b")
    for kind in ("model", "ema_0.9"):
        a, b = (tmp_path / run / f"{kind}_000024.pt" for run in ("a", "b"))
        assert a.read_bytes() == b.read_bytes()
    again, history = (load_tensors(tmp_path / run / "opt_000024.pt")["history"] for run in ("a", "b"))
    assert torch.equal(again["losses"], history["losses"])
    assert (history["counts"] == HISTORY).all()  # so the last draws were by loss
    assert load_tensors(tmp_path / "a/model_000019.pt")["config"]["schedule_sampler"] == "loss-second-moment"


@pytest.mark.parametrize("saved", [None, {}, {"losses": torch.zeros(3, HISTORY), "counts": torch.zeros(3)}])
def test_a_set_without_its_losses_is_not_gone_on_from(saved: object) -> None:
    with pytest.raises(InputError, match=r"opt\.pt: lacks the losses by which diffusion steps are drawn"):
        LossHistory(4).restore(saved, Path("opt.pt"))


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_min_snr_counts_the_error_of_clean_frames(kind: str) -> None:
    """An error of the output is one of x_0, and that counts min(SNR, gamma)."""
    key = {"predict_xstart": True} if kind == "x_0" else {"prediction": kind} if kind != "eps" else {}
    diffusion = process(diffusion_steps=50, min_snr_gamma=5.0, **key)
    weights = min_snr_weights(diffusion)
    alpha_bar = diffusion.schedule.alpha_bar
    alpha, sigma = np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
    x_0 = PREDICTION[kind].x_0
    error = x_0(0.2, 0.7 + 1e-3, alpha, sigma) - x_0(0.2, 0.7, alpha, sigma)
    np.testing.assert_allclose(
        weights * 1e-6, np.minimum(alpha_bar / (1 - alpha_bar), 5.0) * error**2, rtol=1e-6
    )
    snr = alpha_bar / (1 - alpha_bar)
    known = {
        "x_0": np.minimum(snr, 5.0),
        "eps": np.minimum(1, 5 / snr),
        "v": np.minimum(snr, 5.0) / (snr + 1),
    }
    if kind in known:
        np.testing.assert_allclose(weights, known[kind], rtol=1e-9)
