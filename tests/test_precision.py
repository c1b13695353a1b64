"""Numeric precision: what is chosen, what it does to PyTorch, and samples in bfloat16."""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
import pytest
import torch
from seeded import TINY, save_checkpoint, seeded_model

from viddiff import device as devices
from viddiff import precision as precisions
from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.diffusion.denoiser import Estimate, evaluated_in, network_denoiser
from viddiff.diffusion.guidance import guided
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.flat_config import with_defaults
from viddiff.precision import PRECISIONS, find_precision, full_float32, lack_of, numerics, tell_precision
from viddiff.video_model import VideoModel
from viddiff.window import Window


@pytest.fixture
def gpu(monkeypatch):
    """A function that gives this machine a GPU of that capability."""

    def give(capability, hip=None):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A GPU")
        monkeypatch.setattr(torch.version, "hip", hip)

    return give


@pytest.mark.parametrize(
    ("capability", "hip", "found"), [((9, 0), None, "tf32"), ((8, 0), None, "tf32"), ((7, 5), None, "float32"),
                                     ((9, 4), "6.2", "float32")]
)  # fmt: skip
def test_auto_is_tf32_on_gpus_that_have_it(gpu, capability, hip, found):
    gpu(capability, hip)
    assert find_precision("auto", "cuda") == found
    if found == "tf32":
        assert find_precision("tf32", "cuda:1") == "tf32"
    else:
        with pytest.raises(
            InputError, match=r"precision is tf32, but A GPU has no TF32, which GPUs of NVIDIA"
        ):
            find_precision("tf32", "cuda")
    assert find_precision("float32", "cuda") == "float32" and find_precision("bfloat16", "cuda") == "bfloat16"


def test_a_processor_has_float32_and_bfloat16():
    assert [find_precision(wanted, "cpu") for wanted in ("auto", "float32", "bfloat16")] == [
        "float32", "float32", "bfloat16"
    ]  # fmt: skip
    with pytest.raises(
        InputError, match=r"tf32, but cpu \(. x\) has no TF32.*; allowed here: auto, float32, bfloat16$"
    ):
        find_precision("tf32", "cpu")
    with pytest.raises(InputError, match="precision is 'fp16', must be one of auto, float32, tf32, bfloat16"):
        find_precision("fp16", "cpu")
    assert lack_of("tf32", "cpu") and not lack_of("bfloat16", "cpu")


def test_the_log_tells_what_auto_became_and_why(gpu, caplog):
    gpu((8, 0))
    with caplog.at_level(logging.INFO):
        for device in ("cuda", "cpu"):
            tell_precision("auto", find_precision("auto", device), device)
        tell_precision("float32", "float32", "cpu")
    first, second = (record.getMessage() for record in caplog.records)
    assert first == "precision: tf32, as A GPU has TF32"
    assert second.startswith("precision: float32, as cpu (") and second.endswith("has no TF32")


@pytest.mark.parametrize(
    ("flags", "has"),
    [("flags: fma avx512f avx512_bf16", True), ("flags: amx_bf16 amx_tile", True), ("Features: asimd bf16", True),
     ("flags: fma avx2", False), (None, True)],
)  # fmt: skip
def test_bfloat16_without_instructions_is_warned_of(flags, has, tmp_path, monkeypatch, caplog):
    file = tmp_path / "cpuinfo"
    if flags is not None:
        file.write_text(flags)
    monkeypatch.setattr(devices, "_PROCESSOR", file)
    tell_precision("bfloat16", "bfloat16", "cpu")
    warned = [record.getMessage() for record in caplog.records]
    assert [("no instructions: float32 is many times faster" in line) for line in warned] == [True] * (
        not has
    )
    caplog.clear()
    tell_precision("auto", "float32", "cpu")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


BACKENDS = torch.backends
NEWER = hasattr(BACKENDS.cudnn, "conv")


def settings():
    """All that decides how float32 numbers are multiplied; errors are told by their kind."""
    older = [lambda: BACKENDS.cudnn.allow_tf32, torch.get_float32_matmul_precision,
             lambda: BACKENDS.cuda.matmul.allow_tf32]  # fmt: skip
    newer = [
        lambda part=part: part.fp32_precision for parts in precisions._newer_switches() for part in parts
    ]
    found = []
    for setting in [*older, *newer]:
        try:
            found.append(setting())
        except RuntimeError:
            found.append(RuntimeError)
    return [*found, torch.is_autocast_enabled("cpu")]


def _nothing():
    pass


def _older():
    BACKENDS.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("medium")


def _newer():
    BACKENDS.cuda.matmul.fp32_precision = "tf32"
    BACKENDS.cudnn.conv.fp32_precision = "ieee"
    BACKENDS.mkldnn.conv.fp32_precision = "bf16"


def _common():
    BACKENDS.fp32_precision = "tf32"


@pytest.fixture
def untouched():
    """What a test sets is set back."""
    switches = [part for parts in precisions._newer_switches() for part in parts]
    common = BACKENDS.fp32_precision if NEWER else None
    before, older = [part.fp32_precision for part in switches], BACKENDS.cudnn.allow_tf32
    products = torch.get_float32_matmul_precision()
    yield
    if NEWER:
        BACKENDS.fp32_precision = common
    BACKENDS.cudnn.allow_tf32 = older
    torch.set_float32_matmul_precision(products)
    for part, value in zip(switches, before, strict=True):
        part.fp32_precision = value


@pytest.mark.parametrize(
    "users", [_nothing, _older, *([_newer, _common] if NEWER else [])], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_pytorch_is_told_the_precision_and_gets_its_settings_back(users, precision, untouched):
    users()
    before = settings()
    with pytest.raises(ZeroDivisionError), numerics(precision, "cpu"):
        tf32 = precision == "tf32"
        inside = [tf32, "high" if tf32 else "highest", tf32]
        if NEWER:
            inside += ["tf32" if tf32 else "ieee"] * 3 + ["ieee"] * 2
        assert settings() == [*inside, precision == "bfloat16"]
        raise ZeroDivisionError
    assert restored(before, settings())
    with full_float32():
        assert settings()[:2] == [False, "highest"]
    assert restored(before, settings())


def restored(before, after):
    """Whether all is as it was; an older setting that could not be read, as newer ones denied it, need not be."""
    return len(before) == len(after) and all(
        was is RuntimeError or was == now for was, now in zip(before, after, strict=True)
    )


@pytest.mark.parametrize("users", [True, False])
def test_networks_are_evaluated_in_an_order_that_is_the_same_each_time(users, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", users)
    for context in (numerics("float32", "cpu"), full_float32()):
        with context:
            assert torch.backends.cudnn.deterministic is True
        assert torch.backends.cudnn.deterministic is users


def test_float32_holds_where_the_caller_computes_in_bfloat16():
    with torch.autocast("cpu", torch.bfloat16), numerics("float32", "cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_the_network_alone_computes_in_bfloat16():
    model, diffusion = seeded_model(TINY), diffusion_of(with_defaults(TINY), "3")
    frames = torch.linspace(-1, 1, 2 * 3 * 32 * 32).view(1, 2, 3, 32, 32)
    mask = torch.tensor([[True, False]])
    window = Window(frames, torch.tensor([[0, 1]]), mask, ~mask)
    outputs = []
    hook = model.register_forward_hook(lambda module, inputs, output: outputs.append(output.dtype))
    level, estimates = diffusion.levels()[1], []
    for precision in ("float32", "bfloat16"):
        denoise = evaluated_in(
            partial(numerics, precision, "cpu"), network_denoiser(model, diffusion, window)
        )
        with torch.no_grad():
            estimates.append(denoise(frames, level).x_0)
    hook.remove()
    assert outputs == [torch.float32, torch.bfloat16]
    assert [estimate.dtype for estimate in estimates] == [torch.float32] * 2
    difference = (estimates[0] - estimates[1]).abs().max()
    assert 0 < difference < 0.1 * estimates[0].abs().max()


def test_each_evaluation_has_its_context():
    inside = []

    def denoise(x_t, level):
        inside.append(torch.is_autocast_enabled("cpu"))
        return Estimate(x_t, x_t.new_zeros(()))

    x_t = torch.zeros(1, 1, 3, 4, 4)
    evaluated_in(partial(numerics, "bfloat16", "cpu"), denoise)(x_t, Level(0.8, 0.6, 1.0))
    assert inside == [True] and not torch.is_autocast_enabled("cpu")


def test_guidance_of_a_network_in_bfloat16_is_of_float32():
    weight = torch.linspace(-1, 1, 16).view(4, 4)

    def denoise(x_t, level):
        product = x_t @ weight
        assert product.dtype == torch.bfloat16
        return Estimate(product.to(x_t.dtype), x_t.new_zeros(()))

    frames = torch.linspace(-1, 1, 3 * 16).view(1, 1, 3, 4, 4)
    mask = torch.ones(1, 1, dtype=torch.bool)
    window = Window(torch.zeros_like(frames), torch.zeros(1, 1, dtype=torch.long), mask, ~mask)
    denoise_there = evaluated_in(partial(numerics, "bfloat16", "cpu"), guided(denoise, window, 1.0))
    estimate = denoise_there(frames, Level(0.8, 0.6, 1.0)).x_0
    exact = frames @ weight
    exact = exact - 0.4 * 2 * exact @ weight.T
    assert estimate.dtype == torch.float32
    assert 0 < (estimate - exact).abs().max() < 0.02 * exact.abs().max()


def test_samples_in_bfloat16_are_near_those_in_float32_and_the_same_bit_for_bit_in_any_batch(tmp_path):
    save_checkpoint(tmp_path / "model_000100.pt", seeded_model(TINY).state_dict(), TINY, 100)
    write_bouncy_balls(tmp_path / "data", "test", 2, length=4)
    truth = open_dataset("bouncy_balls", "test", tmp_path / "data")
    videos = np.stack([truth.video(number, 4) for number in range(2)])

    def load(precision):
        path = tmp_path / "model_000100.pt"
        return VideoModel.load(path, respacing="1", device="cpu", precision=precision)

    exact, model = load("float32").complete(videos, "autoreg_4_2_4_3"), load("bfloat16")
    assert model.precision == "bfloat16"
    made = model.complete(videos, "autoreg_4_2_4_3")
    alone = model.complete(videos[1:], "autoreg_4_2_4_3", indices=[1])
    assert np.array_equal(alone[0], made[1])
    assert not np.array_equal(made, exact) and np.array_equal(made[:, :3], videos[:, :3])
    assert np.abs(made.astype(int) - exact)[:, 3].mean() < 8
