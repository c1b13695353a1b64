"""The network compiled for real: the same results up to rounding for every size of a window, in whatever order."""

from __future__ import annotations

import pytest
import torch
from seeded import TINY, seeded_model
from torch import Tensor

from viddiff.model.compiled import compile_network
from viddiff.window import Window

pytestmark = pytest.mark.long


def test_a_compiled_network_says_the_same_for_every_size_whichever_came_first(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    torch.manual_seed(0)
    model = seeded_model(TINY)
    calls = {frames: call_of(model, frames) for frames in (4, 3)}

    def compiled(sizes: list[int]) -> dict[int, Tensor]:
        """What the network says, compiled for windows of these sizes in this order."""
        torch.compiler.reset()
        network = compile_network(model, torch.device("cpu"))
        with torch.inference_mode(), no_second_size_is_run_as_it_is():
            return {frames: network(*calls[frames]) for frames in sizes}

    falling = compiled([4, 3])
    rising = compiled([3, 4])
    for frames, call in calls.items():
        with torch.inference_mode():
            torch.testing.assert_close(falling[frames], model(*call), atol=1e-4, rtol=0)
        assert torch.equal(falling[frames], rising[frames])
    assert any((tmp_path / "cache").rglob("*.so"))


def call_of(model: torch.nn.Module, frames: int) -> tuple:
    """The arguments of a call of the network for a window of so many frames."""
    observed = torch.arange(frames)[None] < 1
    index = torch.arange(frames)[None]
    window = Window(torch.randn(1, frames, 3, 32, 32), index, observed, ~observed)
    return torch.randn_like(window.frames), torch.tensor([500.0]), window, model.positions(window)


def no_second_size_is_run_as_it_is():
    """PyTorch raises where it would stop compiling, from the second size on instead of the ninth."""
    from torch._dynamo import config  # slow to load

    return config.patch(cache_size_limit=1, fail_on_recompile_limit_hit=True)
