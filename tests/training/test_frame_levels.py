"""`noise_levels: per_frame`, or a mode: what is drawn, losses of frames at levels of their own, what is refused."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import TINY, seeded_model
from tiny import SETTINGS

from viddiff.diffusion.loss import training_loss
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.flat_config import LEVELS_PLAN, with_defaults
from viddiff.inference.user_modes import register_modes
from viddiff.training.changeable import changed_settings
from viddiff.training.config import training_config
from viddiff.training.level_matrix import matrix_levels
from viddiff.training.level_spans import level_spans
from viddiff.training.levels import frame_levels, mean_levels
from viddiff.training.network import TrainingNetwork
from viddiff.training.step import drawn_noise, forward_backward
from viddiff.window import Window

CPU = torch.device("cpu")
ROLLING = "rolling-5_10_1_60_10"
LOSSES = [{}, {"learn_sigma": True}, {"use_kl": True}, {"min_snr_gamma": 5.0}, {"prediction": "v"}]


def window(roles: list[str], size: int = 2) -> Window:
    """Windows of observed (o), latent (l) and padding (p) frames."""
    shape = (len(roles), len(roles[0]))
    frames = torch.rand(*shape, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    observed, latent = (torch.tensor([[role == kind for role in row] for row in roles]) for kind in "ol")
    return Window(frames, torch.arange(shape[1]).expand(shape), observed, latent)


def diffusion(**more):
    return diffusion_of(with_defaults(TINY | more))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["uniform", "logit-normal"]))
def test_each_latent_frame_has_a_level_and_observed_ones_that_of_the_cleanest(
    seed: int, sampler: str
) -> None:
    here = window(["oolllp", "lollll", "oooool"])
    t = frame_levels(sampler, diffusion(), here, torch.Generator().manual_seed(seed), 3)
    for rows in (slice(1), slice(1, 3)):  # of one of several processes
        part = Window(*(getattr(here, item.name)[rows] for item in fields(Window)))
        own = frame_levels(sampler, diffusion(), part, torch.Generator().manual_seed(seed), 3, rows)
        assert torch.equal(own, t[rows])
    assert bool(((t >= 0) & (t < 40)).all())
    for row, observed, latent in zip(t, here.observed, here.latent, strict=True):
        assert bool((row[observed] == row[latent].min()).all())
    assert mean_levels(t, here).tolist() == [
        round(float(row[latent].float().mean())) for row, latent in zip(t, here.latent, strict=True)
    ]


def test_levels_of_frames_are_independent_and_uniform() -> None:
    t = frame_levels(
        "uniform", diffusion(), window(["ll"] * 20000, 1), torch.Generator().manual_seed(0), 20000
    ).float()
    assert t.mean() == pytest.approx(19.5, abs=0.2)
    assert abs(float(torch.corrcoef(t.T)[0, 1])) < 0.02


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["pyramid-20_10_5_60_10", "sequential_10_5_60_10"]))
def test_levels_of_a_mode_are_those_of_one_of_its_steps(seed: int, mode: str) -> None:
    here, process = window(["ooolllllpp", "lllllooooo", "ooooolllll"]), diffusion()
    t = matrix_levels(mode, process, here, torch.Generator().manual_seed(seed), 3)
    part = Window(*(getattr(here, item.name)[1:] for item in fields(Window)))
    own = matrix_levels(mode, process, part, torch.Generator().manual_seed(seed), 3, slice(1, 3))
    assert torch.equal(own, t[1:])
    for row, latent in zip(t, here.latent, strict=True):
        assert bool((row[~latent] == row[latent].min()).all())
        levels = (row[latent].double() + 1) / 40  # each is at most a fortieth above what was drawn
        fits = []
        for starts, ends in level_spans(mode):
            places = np.linspace(0, len(starts) - 1, 5)
            most, least = (np.interp(places, np.arange(len(starts)), ours) for ours in (starts, ends))
            fits.append(((levels.numpy() >= least) & (levels.numpy() <= most + 1 / 40)).all())
        assert any(fits)


def test_a_rolling_queue_is_met_as_it_is_sampled() -> None:
    """In the middle of a video the queue's frames are a fifth of the way apart, the first the cleanest."""
    here = window(["ooooolllll"] * 4000, 1)
    t = matrix_levels(ROLLING, diffusion(), here, torch.Generator().manual_seed(0), 4000)[:, 5:]
    assert bool((t.diff(dim=1) >= 0).all())
    middle = t[(t.diff(dim=1) >= 7).all(dim=1)]
    assert len(middle) > 3000
    torch.testing.assert_close(
        middle.float().mean(dim=0), torch.tensor([3.5, 11.5, 19.5, 27.5, 35.5]), atol=0.3, rtol=0
    )


@pytest.mark.parametrize("more", LOSSES)
def test_the_loss_of_frames_is_that_of_windows_where_they_are_alike(more) -> None:
    """And where they differ, the loss of each frame at its level: here of a network that treats frames one by one."""
    process = diffusion(**more)
    here = window(["llll", "olll"], 4)
    noise = torch.randn(here.frames.shape, generator=torch.Generator().manual_seed(2))

    class FrameByFrame:
        def __call__(self, x_t, t, window, positions=None):
            out = 0.3 * x_t + (t[:, None] if t.ndim == 1 else t)[..., None, None, None] / 1000
            return torch.cat([out, 0.1 * out], dim=2) if more.get("learn_sigma") else out

        def positions(self, window):
            return None

    def loss(t, counted=here.latent):
        return training_loss(FrameByFrame(), process, here, t, noise, counted).loss

    t = torch.tensor([3, 30])
    torch.testing.assert_close(loss(t[:, None].expand(2, 4)), loss(t), rtol=1e-6, atol=0)
    own = torch.tensor([[0, 9, 20, 39], [5, 0, 5, 39]])
    each = [loss(own[:, k], here.latent & (torch.arange(4) == k)) for k in range(4)]
    torch.testing.assert_close(loss(own), sum(each), rtol=1e-5, atol=1e-7)


def test_a_training_step_draws_levels_of_frames_and_the_default_draws_what_it_did() -> None:
    """Microbatches change nothing; the flat config names the key only where it is not at its default."""
    each, plain = (
        training_config(SETTINGS | {"dropout": 0.0} | more) for more in ({"noise_levels": "per_frame"}, {})
    )
    here, process = window(["oll", "lll"], 32), diffusion()
    drawn = drawn_noise(here, process, each, 3, CPU, None)[0]
    assert drawn.shape == (2, 3)
    assert drawn_noise(here, process, plain, 3, CPU, None)[0].shape == (2,)
    assert "noise_levels" not in plain.to_flat()
    assert each.to_flat()["noise_levels"] == "per_frame"
    matrix = training_config(SETTINGS | {"noise_levels": ROLLING})
    assert matrix.to_flat()["noise_levels"] == ROLLING
    assert drawn_noise(here, process, matrix, 3, CPU, None)[0].shape == (2, 3)
    network = seeded_model(TINY)
    losses, t = forward_backward(TrainingNetwork(network, CPU), process, here, each, 3)
    assert torch.equal(t, mean_levels(drawn, here))
    whole = network.out[2].weight.grad.clone()
    network.zero_grad()
    parts = training_config(SETTINGS | {"dropout": 0.0, "noise_levels": "per_frame", "microbatch": 1})
    again, _ = forward_backward(TrainingNetwork(network, CPU), process, here, parts, 3)
    torch.testing.assert_close(again.loss, losses.loss)
    torch.testing.assert_close(network.out[2].weight.grad, whole, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"noise_levels": "per-frame"},
            "noise_levels is 'per-frame'; allowed: per_window, per_frame, or a mode",
        ),
        ({"noise_levels": "rolling-5_10_1"}, "training key noise_levels: mode 'rolling-5_10_1'"),
        ({"noise_levels": "autoreg_10_5_60_10"}, "'autoreg_10_5_60_10' are at one level: write per_window"),
        ({"noise_levels": ROLLING, "schedule_sampler": "logit-normal"}, "levels: use uniform"),
        ({"noise_levels": True}, "noise_levels is True; must be a text"),
        (
            {"noise_levels": "per_frame", "schedule_sampler": "loss-second-moment"},
            "use uniform or logit-normal",
        ),
    ],
)
def test_what_cannot_be_is_one_line(more, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        training_config(SETTINGS | more)
    assert "\n" not in str(caught.value)


def test_a_mode_that_is_defined_anew_is_other_levels_and_another_training() -> None:
    """Checkpoints hold its name and the hash of its plan."""
    saved, spans = {}, {}
    try:
        for name, matrix in {"before": [[2, 2], [1, 2], [0, 1], [0, 0]], "after": [[0, 0]]}.items():
            register_modes({"zig": {"matrix": matrix}})
            saved[name] = training_config(SETTINGS | {"noise_levels": "zig_4_1_4_2"}).to_flat()
            spans[name] = len(level_spans("zig_4_1_4_2"))
    finally:
        register_modes({})
    assert spans == {"before": 3, "after": 1}
    told = changed_settings(saved["before"], saved["after"])
    assert told.startswith("noise_levels_plan_sha256 was ") and "is defined anew" in told
    old = {
        key: value for key, value in saved["before"].items() if key != LEVELS_PLAN
    }  # of a run before the key
    assert changed_settings(old, saved["after"]) == "" == changed_settings(saved["before"], saved["before"])
