"""A network of the user's gives descriptors and metrics by its own name."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from viddiff.errors import InputError
from viddiff.metrics.base import Facts
from viddiff.metrics.extractor import find_descriptor, find_set_metric
from viddiff.metrics.frechet import frechet_distance
from viddiff.metrics.settings import Extractor, FvdSettings, MetricSettings


class Small(torch.nn.Module):
    """Stands in for V-JEPA: a seeded projection of clips `[B, 3, 4, 6, 6]`."""

    def __init__(self, transposed: bool = False, broken: str = ""):
        super().__init__()
        torch.manual_seed(0)
        self.projection = torch.nn.Linear(3 * 4 * 6 * 6, 5)
        self.transposed, self.broken = transposed, broken

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        if self.transposed:
            clips = clips.transpose(1, 2)
        if self.broken == "shape":
            return clips
        rows = self.projection(clips.flatten(1))
        if self.broken == "raises":
            raise ValueError("none today")
        if self.broken == "empty":
            return rows[:, :0]
        if self.broken == "complex":
            return torch.complex(rows, rows)
        return rows.long() if self.broken == "whole numbers" else rows


@pytest.fixture
def network(tmp_path):
    """Saves the network, and gives settings that call it `small`."""

    def save(name="small.pt", transposed=False, broken="", seen="all", **facts):
        path = tmp_path / name
        torch.jit.script(Small(transposed, broken)).save(str(path))
        extractor = Extractor(**{"file": path, "size": 6, "frames": 4} | facts)
        return MetricSettings(extractors={"small": extractor}, fvd=FvdSettings(frames=seen))

    return save


def videos(seed, count, length, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (count, length, channels, 6, 6), dtype=np.uint8)


def rows(settings, some, obs_length=0):
    return find_descriptor("small", settings).compute(some, obs_length, settings)


def test_rows_are_the_networks_means_over_clips(network):
    settings, some = network(range=(0.0, 1.0)), videos(0, 2, 11)
    with torch.no_grad():
        clips = torch.tensor(some / 255).float().transpose(1, 2)
        expected = (Small()(clips[:, :, :4]) + Small()(clips[:, :, 4:8])) / 2
    found = rows(settings, some)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(rows(settings, some[1:]), found[1:])
    other = network("other.pt", transposed=True, range=(0.0, 1.0), layout="BTCHW")
    np.testing.assert_allclose(rows(other, some), found, rtol=0, atol=1e-6)


def test_size_grey_frames_and_generated_frames(network):
    settings = network()
    grey = videos(1, 1, 4, channels=1)
    np.testing.assert_allclose(rows(settings, grey), rows(settings, grey.repeat(3, 2)), atol=1e-6)
    twice = grey.repeat(2, 3).repeat(2, 4)
    assert rows(settings, twice).shape == (1, 5)
    some = videos(2, 1, 7)
    generated = network(seen="generated")
    np.testing.assert_array_equal(rows(generated, some, 3), rows(settings, some[:, 3:]))
    with pytest.raises(InputError, match="small takes 4 frames, found 3"):
        rows(generated, some, 4)


def test_the_protocol_tells_the_program(network, tmp_path):
    settings = network()
    protocol = find_descriptor("small", settings).protocol(settings)
    assert protocol["weights_sha256"] == hashlib.sha256((tmp_path / "small.pt").read_bytes()).hexdigest()
    assert protocol["network"] == "small.pt" and protocol["input_range"] == [-1.0, 1.0]
    assert find_descriptor("small", settings).kept


def test_the_two_distances(network):
    settings = network()
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(7, 5)), rng.normal(1, 2, (7, 5))
    for name in ("fd-small", "kd-small"):
        entry = find_set_metric(name, settings)
        assert entry.descriptor == "small" and entry.floor and entry.fewest_videos == 2
        assert entry.compute(x, x, Facts(0)) == pytest.approx(0, abs=1e-9)
        assert entry.protocol(settings)
    found = find_set_metric("fd-small", settings).compute(x, y, Facts(0, ddof=0))
    assert found == frechet_distance(x, y, ddof=0)
    # One row each: 100 (k(a, a) + k(b, b) - 2 k(a, b)), k = (a . b / 2)^2.
    a, b = np.array([[2.0, 0.0]]), np.array([[2.0, 4.0]])
    assert find_set_metric("kd-small", settings).compute(a, b, Facts(0)) == pytest.approx(
        100 * (4 + 100 - 2 * 4)
    )
    kernel = [
        np.mean([[(p @ q / 5) ** 2 for q in right] for p in left]) for left, right in ((x, x), (y, y), (x, y))
    ]
    expected = 100 * (kernel[0] + kernel[1] - 2 * kernel[2])
    assert find_set_metric("kd-small", settings).compute(x, y, Facts(0)) == pytest.approx(expected)


def test_other_names_are_those_of_viddiff(network):
    settings = network()
    assert find_descriptor("i3d", settings).kept
    assert find_set_metric("fvd", settings).descriptor == "i3d"
    for name in ("fd-other", "kd-", "xd-small"):
        with pytest.raises(InputError, match="is unknown"):
            find_set_metric(name, settings)
    with pytest.raises(InputError, match="is unknown"):
        find_descriptor("other", settings)


def test_what_is_refused(network, tmp_path):
    with pytest.raises(
        InputError, match=r"small gives float32 \[1, 3, 4, 6, 6\] of 1 clips, must give floats \[1, D\]"
    ):
        rows(network("a.pt", broken="shape"), videos(0, 1, 4))
    for broken, found in (
        ("empty", r"float32 \[1, 0\]"),
        ("whole numbers", r"int64 \[1, 5\]"),
        ("complex", r"complex64 \[1, 5\]"),
    ):
        with pytest.raises(InputError, match=f"small gives {found} of 1 clips"):
            rows(network(f"{broken}.pt", broken=broken), videos(0, 1, 4))
    with pytest.raises(
        InputError, match=r"small does not take clips \[1, 3, 4, 6, 6\]: .*none today"
    ) as error:
        rows(network("raises.pt", broken="raises"), videos(0, 1, 4))
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"small does not take clips \[1, 3, 5, 6, 6\]: ") as error:
        rows(network("b.pt", frames=5), videos(0, 1, 5))
    assert "\n" not in str(error.value)
    missing = MetricSettings(extractors={"small": Extractor(tmp_path / "no.pt", 6, 4)})
    with pytest.raises(InputError, match=r"no\.pt is missing"):
        rows(missing, videos(0, 1, 4))
    torch.save({"x": torch.ones(1)}, tmp_path / "weights.pt")
    other = MetricSettings(extractors={"small": Extractor(tmp_path / "weights.pt", 6, 4)})
    with pytest.raises(InputError, match=r"weights\.pt is no TorchScript file"):
        rows(other, videos(0, 1, 4))
