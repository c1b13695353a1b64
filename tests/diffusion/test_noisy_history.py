"""Noise on observed frames in sampling: what follows from it is known where a network is the best one."""

from __future__ import annotations

import math

import pytest
import torch
from gaussian import HISTORY, RHO, sampled_second
from seeded import TINY, seeded_model
from torch import Tensor

from viddiff.diffusion.denoiser import network_denoiser
from viddiff.diffusion.process import diffusion_of
from viddiff.diffusion.sample import Conditioning
from viddiff.diffusion.treatment import Treatment
from viddiff.flat_config import with_defaults
from viddiff.model.compiled import CompiledNetwork
from viddiff.window import Window

LEVEL = 0.6


@pytest.mark.parametrize("sampler", ["ancestral", "heun"])
@pytest.mark.parametrize("told", [False, True])
def test_samples_are_those_of_a_noisy_history(
    sampler: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all noise. Told of it, the best network trusts what it observes less: both follow from the covariances."""
    monkeypatch.setattr(Tensor, "clamp", lambda tensor, *_: tensor)
    n, signal = 4000, math.sqrt(1.0 - LEVEL**2)
    trust = RHO * (signal if told else 1.0)
    made = sampled_second(sampler, Conditioning(Treatment((), LEVEL), tells_noise=told), n)
    spread = math.sqrt(1.0 - trust**2 + (trust * LEVEL) ** 2)
    assert float(made.mean()) == pytest.approx(trust * signal * HISTORY, abs=4 * spread / math.sqrt(n))
    assert float(made.std()) == pytest.approx(spread, rel=0.06)


def test_the_network_is_told_also_if_it_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda network, mode, dynamic: network)
    config = with_defaults(TINY | {"cond_emb_type": "channel"})
    network, diffusion = seeded_model(config), diffusion_of(config)
    marks = torch.tensor([[True, False]])
    frames = torch.linspace(-0.9, 0.9, 2 * 3 * 32**2).view(1, 2, 3, 32, 32)
    w, level = Window(frames, torch.arange(2)[None], marks, ~marks), diffusion.levels()[20]
    with torch.no_grad():
        found = [
            network_denoiser(used, diffusion, w, told)(frames, level).x_0[:, 1]
            for used in (network, CompiledNetwork(network, torch.device("cpu")))
            for told in (None, 0.5)
        ]
    assert torch.equal(found[0], found[2]) and torch.equal(found[1], found[3])
    assert not torch.equal(found[0], found[1])
