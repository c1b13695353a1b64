"""Training in fewer bits, with clipped gradients, and with a compiled network."""

from __future__ import annotations

import csv
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny import SETTINGS, Stub

from viddiff.checkpoint import load_checkpoint, load_tensors
from viddiff.diffusion.loss import Losses
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.model.build import build_model
from viddiff.precision import IN_TRAINING
from viddiff.training import loop, step, update
from viddiff.training.config import PRECISIONS, training_config
from viddiff.training.loading import training_windows
from viddiff.training.loop import train
from viddiff.training.network import TrainingNetwork
from viddiff.training.step import forward_backward

CPU = torch.device("cpu")


@pytest.fixture
def stub(monkeypatch):
    """A small network, whose loss is scaled by so little that its gradient does not overflow, and soon by more."""
    monkeypatch.setattr(loop, "build_model", lambda config: Stub())
    scaler = partial(torch.amp.GradScaler, init_scale=16.0, growth_interval=2)
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)


def config(**changes):
    return training_config(SETTINGS | {"steps": 3, "save_interval": 10} | changes)


def weights(run: Path, kind: str = "model", end: str = "000003") -> dict[str, torch.Tensor]:
    return load_checkpoint(run / f"{kind}_{end}.pt").state_dict


def difference(run: Path, other: Path, kind: str = "model") -> float:
    a, b = weights(run, kind), weights(other, kind)
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def test_planning_knows_the_names():
    assert PRECISIONS == IN_TRAINING


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_weights_are_near_those_of_float32_and_are_of_float32(tmp_path, data, stub, precision):
    train(config(), data, tmp_path / "full")
    train(config(precision=precision), data, tmp_path / "half")
    for kind in ("model", "ema_0.5"):
        assert (
            0 < difference(tmp_path / "full", tmp_path / "half", kind) < 1e-3
        )  # of three updates at lr 0.001
        assert {value.dtype for value in weights(tmp_path / "half", kind).values()} == {torch.float32}
    opt = load_tensors(tmp_path / "half" / "opt_000003.pt")
    assert {value.dtype for state in opt["state"].values() for value in state.values()} == {torch.float32}
    assert opt["config"]["precision"] == precision and ("scaler" in opt) == (precision == "float16")
    assert "precision" not in load_checkpoint(tmp_path / "full" / "model_000003.pt").config
    train(config(precision="float32"), data, tmp_path / "named")
    assert difference(tmp_path / "full", tmp_path / "named") == 0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_stopped_and_resumed_is_the_same(tmp_path, data, stub, precision):
    settings = config(precision=precision)
    train(settings, data, tmp_path / "whole")
    done = []
    train(settings, data, tmp_path / "parts", progress=done.append, stop=lambda: done[-1] == 1)
    train(settings, data, tmp_path / "parts")
    for kind in ("model", "ema_0.9", "ema_0.5"):
        name = f"{kind}_000003.pt"
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    if precision == "float16":
        scalers = [load_tensors(tmp_path / run / "opt_000003.pt")["scaler"] for run in ("parts", "whole")]
        assert scalers[0] == scalers[1] and scalers[0]["scale"] == 32.0
        assert scalers[0]["_growth_tracker"] == 1


def test_the_network_itself_in_half_precision(data):
    """Its layers under autocast give nearly the gradients of float32, and in float32."""
    settings = training_config(SETTINGS | {"max_frames": 1, "batch_size": 1, "dropout": 0.0})
    torch.manual_seed(0)
    model = build_model(settings.to_flat()).train()
    window = next(training_windows(settings, data, 0))
    found = []
    for precision in ("float32", "bfloat16"):
        network = TrainingNetwork(model, CPU, precision)
        forward_backward(network, diffusion_of(settings.to_flat()), window, settings, 0)
        found.append([value.grad for value in model.parameters() if value.grad is not None])
        assert all(gradient.dtype == torch.float32 for gradient in found[-1])
        model.zero_grad()
    exact, rounded = (torch.cat([gradient.flatten() for gradient in gradients]) for gradients in found)
    assert 0 < (exact - rounded).norm() < 0.02 * exact.norm()


def overflowing(monkeypatch, steps: set[int]) -> None:
    """The loss of these training steps is infinite."""
    real, calls = step.training_loss, iter(range(1000))

    def loss(*arguments):
        found = real(*arguments)
        return Losses(found.loss * torch.inf, found.latent_mse) if next(calls) in steps else found

    monkeypatch.setattr(step, "training_loss", loss)


def test_an_update_that_overflows_is_left_out(tmp_path, data, stub, monkeypatch):
    train(config(precision="float16", steps=1), data, tmp_path / "one")
    overflowing(monkeypatch, {1})
    train(config(precision="float16", steps=2), data, tmp_path / "two")
    for kind in ("model", "ema_0.5"):
        before, after = weights(tmp_path / "one", kind, "000001"), weights(tmp_path / "two", kind, "000002")
        assert all(torch.equal(before[name], after[name]) for name in before)
    opts = [load_tensors(tmp_path / name) for name in ("one/opt_000001.pt", "two/opt_000002.pt")]
    assert opts[1]["scaler"]["scale"] == opts[0]["scaler"]["scale"] / 2
    assert [float(opt["state"][0]["step"]) for opt in opts] == [1, 1]
    with open(tmp_path / "two" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (
        [row["loss"] == "nan" for row in rows] == [row["grad_norm"] == "nan" for row in rows] == [False, True]
    )


def test_overflow_for_long_is_one_line_and_loses_nothing(tmp_path, data, stub, monkeypatch):
    monkeypatch.setattr(update, "LONGEST_OVERFLOW", 2)
    train(config(precision="float16", steps=1), data, tmp_path / "one")
    with monkeypatch.context() as patch:
        overflowing(patch, set(range(1, 1000)))
        with pytest.raises(InputError) as error:
            train(config(precision="float16", steps=8), data, tmp_path / "run")
    assert str(error.value) == (
        "precision is float16, in which the gradient has overflowed in the last 2 training steps; step 3 is saved. "
        "Go on from it with precision bfloat16 or float32, or with a lower lr than 0.001"
    )
    before, after = weights(tmp_path / "one", end="000001"), weights(tmp_path / "run")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert train(config(precision="float32", steps=4), data, tmp_path / "run") == 4
    assert "3,precision,float16,float32" in (tmp_path / "run" / "changes.csv").read_text().splitlines()


def test_a_loss_that_is_not_finite_ends_bfloat16_at_once(tmp_path, data, stub, monkeypatch):
    overflowing(monkeypatch, {1})
    with pytest.raises(InputError, match="the loss of 2 of 2 windows is not finite at training step 1"):
        train(config(precision="bfloat16"), data, tmp_path)


def test_long_gradients_are_shortened(tmp_path, data, stub):
    for clip in (0.0, 1e-3, 1e3):
        train(config(grad_clip=clip, steps=1), data, tmp_path / str(clip))
    norms = {}
    for clip in (0.0, 1e-3, 1e3):
        moments = load_tensors(tmp_path / str(clip) / "opt_000001.pt")["state"].values()
        norms[clip] = 10 * math.sqrt(sum(float(value["exp_avg"].square().sum()) for value in moments))
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-3) and norms[0.0] == norms[1e3] > 0.01
    rows = [(tmp_path / str(clip) / "log.csv").read_text().split(",")[-3] for clip in (0.0, 1e-3)]
    assert rows[0] == rows[1]  # grad_norm, of before
    assert load_checkpoint(tmp_path / "0.001" / "model_000001.pt").config["grad_clip"] == 1e-3


def test_a_compiled_network_is_called_with_positions_and_saved_as_it_is(tmp_path, data, monkeypatch):
    positions = []

    class Seen(Stub):
        def positions(self, window):
            return "positions"

        def forward(self, x_t, t, window, positions_there=None):
            positions.append(positions_there)
            return super().forward(x_t, t, window)

    monkeypatch.setattr(loop, "build_model", lambda config: Seen())
    monkeypatch.setattr("viddiff.model.compiled.check_compiler", lambda device: None)
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda network, mode, dynamic: compiled.append(mode) or network)
    train(config(steps=3), data, tmp_path / "plain")
    train(config(steps=3, compile=True), data, tmp_path / "compiled")
    assert compiled == [None] and len(positions) >= 6 and set(positions) == {"positions"}
    assert difference(tmp_path / "plain", tmp_path / "compiled") == 0
    saved = load_checkpoint(tmp_path / "compiled" / "model_000003.pt")
    assert saved.state_dict.keys() == Stub().state_dict().keys() and "compile" not in saved.config
    assert train(config(steps=4), data, tmp_path / "compiled") == 4  # and goes on without


def test_seeds_and_noise_of_observed_frames_come_through_a_compiled_network(tmp_path, data, monkeypatch):
    """The seeds of dropout are other ones at each step: nothing is compiled anew for them."""

    class Told(Stub):
        def forward(self, x_t, t, window, positions=None, observed_noise=None):
            out = super().forward(x_t, t, window)
            return out if observed_noise is None else out * (1 + observed_noise[:, None, None, None, None])

    graphs = []
    monkeypatch.setattr(loop, "build_model", lambda config: Told())
    monkeypatch.setattr("viddiff.model.compiled.check_compiler", lambda device: None)
    compiled = torch.compile
    backend = lambda graph, inputs: graphs.append(graph) or graph  # noqa: E731
    monkeypatch.setattr(
        torch, "compile", lambda network, mode, dynamic: compiled(network, backend=backend, dynamic=dynamic)
    )
    settings = {"observed_noise": 0.3, "precision": "bfloat16", "steps": 5, "max_frames": 1}
    train(config(**settings), data, tmp_path / "plain")
    train(config(**settings, compile=True), data, tmp_path / "compiled")
    assert 0 < len(graphs) <= 3
    a, b = (weights(tmp_path / run, end="000005") for run in ("plain", "compiled"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_precision_that_the_device_lacks(tmp_path, data, stub):
    with pytest.raises(InputError, match=r"precision is tf32, but cpu .* has no TF32.*bfloat16, float16$"):
        train(config(precision="tf32"), data, tmp_path)
