"""The network against recorded outputs, against the same layers computed the long way, and what it must not see."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from literal import literal_bucket, literal_forward
from seeded import MODELS, recorded, seeded_model
from torch import Tensor, nn

from viddiff.checkpoint import load_checkpoint
from viddiff.errors import InputError
from viddiff.flat_config import config_format
from viddiff.model.attention import (
    Buckets,
    TemporalAttention,
    bucket_of,
    norm_over_frames,
    window_positions,
)
from viddiff.model.blocks import Upsample, chosen, sinusoidal_embedding
from viddiff.model.build import build_model
from viddiff.model.settings import CONDITIONING
from viddiff.model.sizes import CHANNEL_MULT
from viddiff.window import Window

TINY = {
    "image_size": 32,
    "num_channels": 32,
    "num_res_blocks": 1,
    "num_heads": 2,
    "attention_resolutions": "8",
    "T": 30,
    "cond_emb_type": "channel",
}
REFACTORED = {key: value for key, value in TINY.items() if key != "cond_emb_type"}
BUCKETS = {"use_rpe_net": False, "rp_alpha": 2, "rp_beta": 4, "rp_gamma": 8}


def window(size: int = 32, frames: int = 4) -> Window:
    """Two windows: observed, latent, latent, padding; and observed, observed, latent, latent (if of four frames)."""
    generator = torch.Generator().manual_seed(1)
    observed = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0]], dtype=torch.bool)[:, :frames]
    latent = torch.tensor([[0, 1, 1, 0], [0, 0, 1, 1]], dtype=torch.bool)[:, :frames]
    index = torch.tensor([[3, 5, 12, 25], [0, 1, 2, 3]])[:, :frames]
    content = torch.rand(2, frames, 3, size, size, generator=generator) * 2 - 1
    return Window(content, index, observed, latent)


def noise_like(x: Tensor, seed: int = 2) -> Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def run(
    model: nn.Module, w: Window, x_t: Tensor | None = None, t: tuple[float, float] = (100.0, 700.0)
) -> Tensor:
    with torch.no_grad():
        return model(noise_like(w.frames) if x_t is None else x_t, torch.tensor(t), w)


@pytest.mark.parametrize("name", MODELS)
def test_output_is_the_recorded_one(name: str) -> None:
    # Recorded at t as it is, not rescaled to 0..1000.
    r = recorded(name)
    with torch.no_grad():
        output = r.model(r.x_t, r.t, r.window)
    torch.testing.assert_close(output, torch.from_numpy(r.results["model_output"]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_the_originals_in_its_order(name: str) -> None:
    state = build_model(MODELS[name]["config"]).state_dict()
    assert [[key, list(value.shape)] for key, value in state.items()] == MODELS[name]["state_dict"]
    assert sum(value.numel() for value in state.values()) == MODELS[name]["parameters"]


@pytest.mark.parametrize(("name", "format_"), [("seed_default", "original"), ("refactored", "refactored")])
def test_a_checkpoint_in_the_originals_layout_loads(name: str, format_: str, tmp_path: Path) -> None:
    r = recorded(name)
    path = tmp_path / "ema_0.9999_550000.pt"
    torch.save({"state_dict": r.model.state_dict(), "config": r.config, "step": MODELS[name]["step"]}, path)
    checkpoint = load_checkpoint(path)
    assert config_format(checkpoint.config) == format_
    assert checkpoint.step == MODELS[name]["step"]
    model = build_model(checkpoint.config).eval()
    model.load_state_dict(checkpoint.state_dict)
    with torch.no_grad():
        output = model(r.x_t, r.t, r.window)
    torch.testing.assert_close(output, torch.from_numpy(r.results["model_output"]), atol=1e-4, rtol=0)


MARKS = [
    name for name in CONDITIONING if not name.endswith("-initzero")
]  # those differ in fresh weights only
VARIANTS: dict[str, dict[str, Any]] = {
    **{mark: TINY | {"cond_emb_type": mark} for mark in MARKS},
    "buckets": TINY | BUCKETS,
    "frame encoding": TINY | {"use_frame_encoding": True},
    "centred frame encoding": TINY | {"use_frame_encoding": True, "enforce_position_invariance": True},
    "no spatial encoding": TINY | {"use_spatial_encoding": False},
    "no scale and shift": TINY | {"use_scale_shift_norm": False},
    "padding blind to padding": TINY | {"allow_interactions_between_padding": False},
    "learned variance": TINY | {"learn_sigma": True},
    "no attention but in the middle": TINY | {"attention_resolutions": "1"},
    "refactored": REFACTORED,
    "refactored, heads of the way up": REFACTORED | {"num_heads_upsample": 4},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_output_equals_the_layers_computed_the_long_way(variant: str) -> None:
    model = seeded_model(VARIANTS[variant])
    w = window()
    x_t, t = noise_like(w.frames), torch.tensor([100.0, 700.0])
    with torch.no_grad():
        literal = literal_forward(model, x_t, t, w)
    torch.testing.assert_close(run(model, w, x_t), literal, atol=5e-5, rtol=0)


def test_gradients_equal_those_of_the_layers_computed_the_long_way() -> None:
    model = seeded_model(TINY)
    literal, recompute = seeded_model(TINY), seeded_model(TINY | {"use_checkpoint": True}).train()
    w = window()
    x_t, t = noise_like(w.frames), torch.tensor([100.0, 700.0])
    target = noise_like(w.frames, seed=3)
    for output in (model(x_t, t, w), recompute(x_t, t, w), literal_forward(literal, x_t, t, w)):
        (output - target).square().mean().backward()
    wanted = dict(literal.named_parameters())
    for other in (model, recompute):
        for name, parameter in other.named_parameters():
            scale = float(wanted[name].grad.abs().max())
            torch.testing.assert_close(parameter.grad, wanted[name].grad, atol=1e-5 + 1e-3 * scale, rtol=0)


@pytest.mark.parametrize("variant", [*VARIANTS, "levels of frames"])
def test_with_positions_observed_frames_are_left_out_and_others_stay(variant: str) -> None:
    model, w = seeded_model(VARIANTS.get(variant, TINY)), window()
    x_t, t = noise_like(w.frames), torch.tensor([100.0, 700.0])
    if variant == "levels of frames":
        t = torch.tensor([[1.0, 100.0, 300.0, 5.0], [700.0, 2.0, 900.0, 50.0]])
    positions, observed = model.positions(w), w.observed[:, :, None, None, None]
    with torch.no_grad():
        whole = model(x_t, t, w)
        twice = [model(x_t, t, w, positions) for _ in range(2)]
    assert bool(whole[:, 0].count_nonzero())
    torch.testing.assert_close(twice[0], whole.where(~observed, 0.0), atol=1e-5, rtol=0)
    assert torch.equal(*twice)


def test_an_observed_frame_costs_nothing_behind_the_last_attention() -> None:
    model, w = seeded_model(TINY), window()
    rows: list[int] = []
    model.out.register_forward_hook(lambda _, args, output: rows.append(len(output)))
    with torch.no_grad():
        model(w.frames, torch.tensor([1.0, 2.0]), w, model.positions(w))
        model(w.frames, torch.tensor([1.0, 2.0]), w)
    assert rows == [5, 8]  # three of eight are observed


def test_a_batch_of_observed_frames_alone_runs() -> None:
    model, w = seeded_model(TINY), window()
    seen = dataclasses.replace(w, observed=w.observed | True, latent=w.latent & False)
    with torch.no_grad():
        assert model(w.frames, torch.tensor([1.0, 2.0]), seen, model.positions(seen)).isfinite().all()


def test_gradients_with_positions_are_those_of_the_frames_that_stay() -> None:
    model, other = seeded_model(TINY), seeded_model(TINY)
    w, t = window(), torch.tensor([100.0, 700.0])
    x_t, counted = noise_like(w.frames), ~w.observed[:, :, None, None, None]
    model(x_t, t, w, model.positions(w)).square().mean().backward()
    (other(x_t, t, w) * counted).square().mean().backward()
    wanted = dict(other.named_parameters())
    for name, parameter in model.named_parameters():
        scale = float(wanted[name].grad.abs().max())
        torch.testing.assert_close(parameter.grad, wanted[name].grad, atol=1e-6 + 1e-3 * scale, rtol=0)


def test_chosen_frames_and_their_gradient_stay_channels_last() -> None:
    h = torch.randn(4, 8, 5, 6).to(memory_format=torch.channels_last).requires_grad_()
    kept = torch.tensor([0, 3])
    taken, seen = chosen(h * 1.0, kept), []
    assert taken.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(taken, h[kept])
    middle = h * 2.0
    middle.register_hook(seen.append)
    chosen(middle, kept).square().sum().backward()
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    assert seen[0][1:3].count_nonzero() == 0 and seen[0][kept].count_nonzero() == 2 * 8 * 5 * 6


def test_dropout_in_training_needs_all_frames() -> None:
    """Its masks are drawn for rows of equally many frames."""
    model, w = seeded_model(TINY | {"dropout": 0.5}), window()
    assert model.positions(w).predicted is not None
    assert model.train().positions(w).predicted is None


@pytest.mark.parametrize("size", CHANNEL_MULT)
def test_every_size_builds_and_runs(size: int) -> None:
    model = seeded_model(TINY | {"image_size": size})
    # One level per channel multiplier, each half the size of the one above.
    downsamplings = sum(type(block[0]).__name__ == "Downsample" for block in model.input_blocks)
    assert downsamplings == len(CHANNEL_MULT[size]) - 1
    w = Window(*(value[:1, :2] for value in dataclasses.astuple(window(size, frames=2))))
    with torch.no_grad():
        output = model(noise_like(w.frames), torch.tensor([100.0]), w)
    assert output.shape == w.frames.shape
    assert torch.isfinite(output).all()


def test_a_new_network_predicts_zero() -> None:
    for conditioning in CONDITIONING:
        model = build_model(TINY | {"cond_emb_type": conditioning})
        assert run(model, window(frames=2)).count_nonzero() == 0


def test_learned_variance_follows_the_mean_along_channels() -> None:
    learned, plain = seeded_model(TINY | {"learn_sigma": True}), build_model(TINY).eval()
    state = learned.state_dict()
    plain.load_state_dict(state | {name: state[name][:3] for name in ("out.2.weight", "out.2.bias")})
    output = run(learned, window())
    assert output.shape == (2, 4, 6, 32, 32)
    torch.testing.assert_close(output[:, :, :3], run(plain, window()), atol=1e-5, rtol=0)


def test_norm_over_frames_is_the_group_norm_of_each_place() -> None:
    norm = nn.GroupNorm(32, 96)
    torch.manual_seed(0)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    h = torch.randn(2, 5, 6, 96) * 3 + 7
    wanted = norm(h.permute(0, 2, 3, 1).flatten(0, 1)).view(2, 6, 96, 5).permute(0, 3, 1, 2)
    torch.testing.assert_close(norm_over_frames(norm, h), wanted, atol=1e-5, rtol=0)


def test_doubling_convolves_every_pixel_repeated() -> None:
    torch.manual_seed(0)
    layer, h = Upsample(8), torch.randn(2, 8, 3, 5)
    wanted = layer.conv(F.interpolate(h, scale_factor=2, mode="nearest"))
    torch.testing.assert_close(layer(h), wanted, atol=1e-5, rtol=0)


# What the network sees


@pytest.mark.parametrize("variant", [*MARKS, "refactored"])
def test_observed_frames_are_seen_clean_and_others_noisy_only(variant: str) -> None:
    model, w = seeded_model(VARIANTS[variant]), window()
    x_t, observed = noise_like(w.frames), w.observed[:, :, None, None, None]
    output = run(model, w, x_t)
    other = noise_like(x_t, seed=4)
    assert torch.equal(run(model, w, x_t.where(~observed, other)), output)
    assert torch.equal(
        run(model, dataclasses.replace(w, frames=w.frames.where(observed, other)), x_t), output
    )
    assert not torch.allclose(run(model, w, x_t.where(observed, other)), output, atol=1e-2)
    cleaner = dataclasses.replace(w, frames=w.frames.where(~observed, other))
    assert not torch.allclose(run(model, cleaner, x_t), output, atol=1e-2)


@pytest.mark.parametrize("variant", [*MARKS, "refactored"])
def test_the_network_knows_which_frames_are_observed(variant: str) -> None:
    # The same pixels once observed, once noisy; roles of other frames unchanged.
    model, w = seeded_model(VARIANTS[variant]), window()
    observed = w.observed.clone()
    observed[0, 0] = False
    other = dataclasses.replace(w, observed=observed, latent=~observed)
    x_t = w.frames.where(w.observed[:, :, None, None, None], noise_like(w.frames))
    assert not torch.allclose(run(model, w, x_t)[0, :3], run(model, other, x_t)[0, :3], atol=1e-3)


def test_t_0_marks_the_observed_frames_alone() -> None:
    """The original writes step -1 into an expanded tensor and so marks every frame: no output depends on t."""
    model, w = seeded_model(TINY | {"cond_emb_type": "t=0"}), window()
    seen: list[Tensor] = []
    model.time_embed.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    assert not torch.allclose(run(model, w, t=(100.0, 700.0)), run(model, w, t=(300.0, 900.0)), atol=1e-3)
    times = torch.tensor([[-1.0, 100.0, 100.0, 100.0], [-1.0, -1.0, 700.0, 700.0]])
    torch.testing.assert_close(seen[0], sinusoidal_embedding(times, 32))


def test_initzero_starts_blind_to_the_mark_or_with_equal_copies() -> None:
    def first_weights(conditioning: str) -> Tensor:
        return build_model(TINY | {"cond_emb_type": conditioning}).input_blocks[0][0].weight

    weight = first_weights("channel-initzero")
    assert weight[:, 3].count_nonzero() == 0
    assert weight[:, [0, 1, 2, 4]].count_nonzero(dim=(0, 2, 3)).all()
    assert first_weights("channel")[:, 3].count_nonzero()
    weight = first_weights("duplicate-initzero")
    assert torch.equal(weight[:, :3], weight[:, 3:])
    weight = first_weights("duplicate")
    assert not torch.equal(weight[:, :3], weight[:, 3:])


def test_all_is_another_word_for_duplicate() -> None:
    """As in the original, whose parameters have the same names."""
    for end in ("", "-initzero"):
        model, same = (
            seeded_model(TINY | {"cond_emb_type": f"{word}{end}"}) for word in ("all", "duplicate")
        )
        assert model.arch == same.arch
        assert model.state_dict().keys() == same.state_dict().keys()


# Padding and positions


@pytest.mark.parametrize("padding_sees_padding", [True, False])
def test_padding_is_not_attended_to(padding_sees_padding: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the normalisation, whose statistics span all frames of a window as in the original."""
    torch.manual_seed(0)
    layer = TemporalAttention(32, 2, 16, None)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.2)
    monkeypatch.setattr("viddiff.model.attention.norm_over_frames", lambda norm, h: h)
    used = torch.tensor([[True, True, True, False, False]])
    w = Window(torch.empty(1, 5, 0, 0, 0), torch.tensor([[0, 2, 3, 7, 9]]), ~used & used, used)
    positions = window_positions(w, None, padding_sees_padding)
    h, emb = torch.randn(1, 5, 6, 32), torch.randn(1, 1, 16)
    other = h.clone()
    other[:, 3] = torch.randn(6, 32)
    with torch.no_grad():
        difference = (layer(h, emb, positions) - layer(other, emb, positions)).abs().amax(dim=(0, 2, 3))
    assert difference[:3].count_nonzero() == 0
    assert difference[3] > 0.1
    assert bool(difference[4] > 0) is padding_sees_padding


def test_without_padding_no_pair_is_blocked() -> None:
    w = window()
    full = dataclasses.replace(w, latent=~w.observed)
    assert window_positions(full, None, False).blocked is None


def test_distances_not_indices_matter() -> None:
    model, w = seeded_model(TINY), window()
    later = dataclasses.replace(w, frame_index=w.frame_index + 1000)
    torch.testing.assert_close(run(model, later), run(model, w), atol=1e-6, rtol=0)
    wider = dataclasses.replace(w, frame_index=w.frame_index * 3)
    assert not torch.allclose(run(model, wider), run(model, w), atol=1e-3)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 12), st.integers(0, 20), st.integers(1, 40))
def test_buckets_are_the_originals(alpha: int, above: int, beyond: int) -> None:
    buckets = Buckets(alpha, alpha + above, alpha + beyond)
    distance = torch.arange(-300, 301)
    bucket = bucket_of(distance, buckets)
    assert torch.equal(bucket, literal_bucket(distance, buckets))
    assert torch.equal(bucket, -bucket.flip(0))
    assert (bucket.diff() >= 0).all()
    assert bucket.max() == buckets.beta


def test_default_buckets_take_distances_beyond_t() -> None:
    bucket = bucket_of(torch.tensor([-31, -30, 30, 31, 500]), Buckets(30, 30, 30))
    assert bucket.tolist() == [-30, -30, 30, 30, 30]


# Configs


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image_size", 36),
        ("image_size", "32"),
        ("cond_emb_type", "chanel"),
        ("class_cond", True),
        ("cross_frame_attention", False),
        ("num_channels", 48),
        ("num_channels", 0),
        ("num_channels", "32"),
        ("num_heads", 5),
        ("num_heads", 0),
        ("num_res_blocks", 0),
        ("num_res_blocks", 1.0),
        ("attention_resolutions", "16,x"),
        ("attention_resolutions", "0"),
        ("attention_resolutions", 16),
        ("dropout", 2.0),
        ("dropout", None),
        ("learn_sigma", "yes"),
        ("rp_beta", 0),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object) -> None:
    with pytest.raises(InputError, match=f"^config key {key} is ") as error:
        build_model(TINY | {"use_rpe_net": False} | {key: value})
    assert "\n" not in str(error.value)


def test_buckets_need_a_length() -> None:
    with pytest.raises(InputError, match="rp_alpha"):
        build_model(TINY | {"use_rpe_net": False, "T": -1})


@pytest.mark.parametrize("variant", [{}, {"cond_emb_type": "t=0"}, BUCKETS, {"use_scale_shift_norm": False}])
def test_a_level_of_each_frame_is_that_frames_alone(variant: dict[str, Any]) -> None:
    """All alike it is the level of the window; else each frame's blocks are told its own."""
    model, here = seeded_model(TINY | variant), window()
    x_t, t = noise_like(here.frames), torch.tensor([3.0, 700.0])
    with torch.inference_mode():
        whole = model(x_t, t, here)
        alike = model(x_t, t[:, None].expand(2, 4), here)
        moved = model(x_t, torch.tensor([[3.0, 3.0, 500.0, 3.0], [700.0] * 4]), here)
        # What a frame alone sees of its level: at each of two, in windows of one frame.
        alone = [
            model(x_t[:, 1:2], torch.tensor(ts), window(frames=1)) for ts in ([[3.0], [9.0]], [3.0, 9.0])
        ]
    assert torch.allclose(alike, whole, atol=1e-5)
    assert torch.allclose(moved[1], whole[1], atol=1e-5)
    assert not torch.allclose(moved[0, 2], whole[0, 2], atol=1e-2)
    assert torch.equal(*alone)
