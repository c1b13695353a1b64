"""The network compiled for real: the same results up to rounding, for every size of a window."""

from __future__ import annotations

import pytest
import torch
from seeded import TINY, seeded_model

from viddiff.model.compiled import compile_network
from viddiff.window import Window

pytestmark = pytest.mark.long


def test_a_compiled_network_says_the_same_for_every_size(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    torch.manual_seed(0)
    model = seeded_model(TINY)
    compiled = compile_network(model, torch.device("cpu"))
    with torch.inference_mode():
        for frames in (4, 3, 2):
            observed = torch.arange(frames)[None] < 1
            index = torch.arange(frames)[None]
            window = Window(torch.randn(1, frames, 3, 32, 32), index, observed, ~observed)
            arguments = (
                torch.randn_like(window.frames),
                torch.tensor([500.0]),
                window,
                model.positions(window),
            )
            torch.testing.assert_close(compiled(*arguments), model(*arguments), atol=1e-4, rtol=0)
    assert any((tmp_path / "cache").rglob("*.so"))
