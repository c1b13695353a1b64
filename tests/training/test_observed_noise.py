"""Noise on observed frames: its size, that the network is told of it, and that nothing else changes."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from seeded import TINY, seeded_model
from tiny import SETTINGS, Stub
from torch import Tensor

from viddiff.diffusion.observed_noise import ObservedNoise, with_noise
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.training.config import training_config
from viddiff.training.network import TrainingNetwork
from viddiff.training.observed_noise import draw_observed_noise
from viddiff.training.step import forward_backward, loss_now
from viddiff.window import Window

NOISY = training_config(SETTINGS | {"observed_noise": 0.5, "dropout": 0.0})


def window(size: int = 32) -> Window:
    """Two windows of an observed frame, a latent one, and padding."""
    frames = torch.rand(2, 3, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    roles = torch.eye(3, dtype=torch.bool)[:, None].expand(3, 2, 3)
    return Window(frames, torch.arange(3).expand(2, 3), roles[0], roles[1])


class Noting(Stub):
    """Notes what it sees and is told."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout.p = 0.0
        self.calls: list[tuple[Tensor, Window, Tensor | None]] = []

    def forward(self, x_t, t, window, positions=None, observed_noise=None):
        self.calls.append((x_t, window, observed_noise))
        return super().forward(x_t, t, window, positions)


def test_observed_frames_alone_get_noise_of_their_level() -> None:
    w = window(64)
    eps = torch.randn(w.frames.shape, generator=torch.Generator().manual_seed(2))
    noised = with_noise(w, ObservedNoise(torch.tensor([0.0, 0.6]), eps))
    torch.testing.assert_close(noised.frames[0], w.frames[0])
    assert torch.equal(noised.frames[1, 1:], w.frames[1, 1:])
    torch.testing.assert_close(noised.frames[1, 0], 0.8 * w.frames[1, 0] + 0.6 * eps[1, 0])
    assert all(
        torch.equal(getattr(noised, f.name), getattr(w, f.name)) for f in fields(Window) if f.name != "frames"
    )


def test_levels_are_uniform_up_to_the_most() -> None:
    marks = torch.ones(5000, 1, dtype=torch.bool)
    w = Window(torch.zeros(5000, 1, 1, 1, 1), torch.zeros(5000, 1, dtype=torch.int64), marks, ~marks)
    level, eps = draw_observed_noise(w.frames.shape, 0.3, torch.Generator().manual_seed(0))
    assert 0.0 <= level.min() < 0.01 and 0.29 < level.max() <= 0.3
    assert level.mean() == pytest.approx(0.15, abs=0.005) and eps.std() == pytest.approx(1.0, abs=0.05)


def test_the_network_is_told_and_the_rest_of_a_step_stays() -> None:
    """Diffusion steps and noise are those of a training without; what a step draws is of seed and step alone."""
    diffusion, device = diffusion_of(NOISY.to_flat()), torch.device("cpu")
    plain = training_config(SETTINGS | {"dropout": 0.0})
    noting = {name: Noting() for name in ("noisy", "plain", "again", "one by one")}
    micro = training_config(SETTINGS | {"observed_noise": 0.5, "dropout": 0.0, "microbatch": 1})
    configs = {"noisy": NOISY, "plain": plain, "again": NOISY, "one by one": micro}
    steps = {
        name: forward_backward(TrainingNetwork(noting[name], device), diffusion, window(), configs[name], 7)[
            1
        ]
        for name in noting
    }
    x_t, seen, level = noting["noisy"].calls[0]
    others_x_t, others, none = noting["plain"].calls[0]
    assert (
        none is None
        and level.shape == (2,)
        and level.min() > 0
        and level.max() < 0.5
        and level[0] != level[1]
    )
    latent = seen.latent
    assert torch.equal(steps["noisy"], steps["plain"]) and torch.equal(x_t[latent], others_x_t[latent])
    assert torch.equal(others.frames, window().frames)
    assert not torch.equal(seen.frames[seen.observed], others.frames[seen.observed])
    assert torch.equal(noting["again"].calls[0][1].frames, seen.frames)
    assert torch.equal(torch.cat([call[1].frames for call in noting["one by one"].calls]), seen.frames)
    assert torch.equal(torch.cat([call[2] for call in noting["one by one"].calls]), level)


def test_what_is_measured_is_measured_without() -> None:
    noting = Noting()
    loss_now(noting, diffusion_of(NOISY.to_flat()), window(), NOISY, 0, torch.device("cpu"))
    assert noting.calls[0][2] is None and torch.equal(noting.calls[0][1].frames, window().frames[:1])


@pytest.mark.parametrize("mark", ["channel", "channel-initzero"])
def test_level_0_is_the_network_as_it_was(mark: str) -> None:
    network, w = seeded_model(TINY | {"cond_emb_type": mark}), window()
    t, zero = torch.tensor([3, 500]), torch.zeros(2)
    with torch.no_grad():
        plain = network(w.frames, t, w)
        assert torch.equal(network(w.frames, t, w, None, zero), plain)
        told = network(w.frames, t, w, None, torch.tensor([0.0, 0.3]))
    assert torch.equal(told[0], plain[0]) and not torch.allclose(told[1], plain[1], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observed_noise": 1.0}, "observed_noise is 1.0; must be 0 .none. or above, and below 1"),
        ({"observed_noise": -0.1}, "observed_noise is -0.1; must be 0"),
        ({"observed_noise": float("nan")}, "observed_noise is nan"),
        (
            {"observed_noise": 0.2, "cond_emb_type": "duplicate"},
            "is 'duplicate', which has no place to tell",
        ),
    ],
)
def test_levels_that_cannot_be_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        training_config(SETTINGS | change)
