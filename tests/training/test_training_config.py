from __future__ import annotations

import json
from pathlib import Path

import pytest

from viddiff.errors import InputError
from viddiff.flat_config import with_defaults
from viddiff.training.changeable import FREE_KEYS
from viddiff.training.config import WITHOUT_EFFECT, training_config

SETTINGS = {"dataset": "bouncy_balls", "T": 30, "steps": 100}
MODELS = json.loads((Path(__file__).parents[1] / "golden" / "models.json").read_text())


def test_flat_config_has_exactly_the_originals_keys():
    flat = training_config(SETTINGS | {"seed": 5, "lr": 1, "num_channels": 32, "wandb": "offline"}).to_flat()
    assert flat.keys() == MODELS["seed_default"]["config"].keys()
    assert (flat["fake_seed"], flat["lr"], flat["num_channels"], flat["rp_beta"]) == (5, 1.0, 32, 30)
    assert type(flat["lr"]) is float


@pytest.mark.parametrize("name", ["seed_default", "seed_bucket_rpe_frame_encoding", "seed_duplicate"])
def test_a_recorded_config_comes_back(name):
    recorded = MODELS[name]["config"]
    settings = {"seed" if key == "fake_seed" else key: value for key, value in recorded.items()}
    assert training_config(settings | {"steps": 1}).to_flat() == recorded


def test_defaults_are_the_originals():
    different = {  # what the recorded model's command line set
        key
        for key, value in MODELS["seed_default"]["config"].items()
        if with_defaults({"T": 30})[key] != value
    }
    assert different == {
        "dataset", "batch_size", "max_frames", "image_size", "num_channels", "num_res_blocks", "num_heads",
        "diffusion_steps",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learnin_rate": 1.0}, "'learnin_rate' is unknown"),
        ({"max_frame": 8}, "did you mean max_frames?"),
        ({"fake_seed": 1}, "'fake_seed' is unknown"),
        ({"lr": "1e-4"}, "lr is '1e-4'; must be a number; YAML takes 1e-4 for a text, write 1.0e-4"),
        ({"lr": 0.0}, "lr is 0.0; must be positive"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"batch_size": 2.5}, "batch_size is 2.5; must be a whole number"),
        ({"batch_size": True}, "must be a whole number"),
        ({"batch_size": 0}, "batch_size is 0; must be 1 to 999999"),
        ({"learn_sigma": "yes"}, "learn_sigma is 'yes'; must be true or false"),
        ({"dataset": None}, "dataset is None; must be a text"),
        ({"steps": "many"}, "steps is 'many'; must be a whole number"),
        ({"ema_rate": "0.9,1.5"}, "ema_rate is '0.9,1.5'"),
        ({"wandb": "on"}, "wandb is 'on'; allowed: off, offline, online"),
        ({"lr_anneal_steps": 50}, "steps is 100; must not exceed lr_anneal_steps 50"),
        ({"mask_distribution": "unifrom"}, "did you mean uniform?"),
        ({"max_frames": 31}, "max_frames is 31; must be 1 to T, which is 30"),
        ({"use_fp16": True}, "use_fp16 is True; must be False: write precision: float16"),
        ({"precision": "fp16"}, "precision is 'fp16'; allowed: auto, float32, tf32, bfloat16, float16"),
        ({"precision": 16}, "precision is 16; must be a text"),
        ({"grad_clip": -1.0}, "grad_clip is -1.0; must not be negative"),
        ({"grad_clip": float("nan")}, "grad_clip is nan; must be finite"),
        ({"compile": 1}, "compile is 1; must be true or false"),
        ({"decode_once": 1}, "decode_once is 1; must be true or false"),
        (
            {"compile": True, "batch_size": 6, "gpus": 3},
            "compile is true, and nodes x gpus is 3: one process",
        ),
        ({"batch_size": 6, "nodes": 2, "gpus": 2}, "batch_size is 6; must be a multiple of nodes x gpus, 4"),
        ({"gpus": 0}, "gpus is 0; must be 1 to 1024"),
        ({"n_valid_repeats": 1}, "n_valid_repeats is 1; must be 2: it has no effect here"),
        ({"sample_interval": 0}, "sample_interval is 0; must be 1 to 1000000000"),
        ({"n_valid_batches": -1}, "n_valid_batches is -1; must be 0 to 1000000000"),
        ({"keep_last": -1}, "keep_last is -1; must be 0 to 1000000000"),
        ({"keep_last": "2"}, "keep_last is '2'; must be a whole number"),
        ({"keep_every": 500}, "keep_every is 500, but keep_last is 0: all sets stay"),
        (
            {"keep_last": 2, "save_latest_only": True},
            "keep_last is 2, but save_latest_only keeps one set alone",
        ),
        ({"do_cond_marg": False}, "do_cond_marg is False; must be True: it has no effect"),
        ({"seed": -1}, "seed is -1; must be 0 to 9223372036854775807"),
        ({"seed": 10**30}, "seed is 1000000000000000000000000000000; must be finite, and below 2^63"),
        ({"rp_alpha": 2**63}, "rp_alpha is 9223372036854775808; must be finite, and below 2^63"),
        ({"T": 10**9}, "T is 1000000000; must be 1 to 999999"),
        ({"num_workers": 10**9}, "num_workers is 1000000000; must be -1 to 1024"),
        ({"num_workers": -7}, "num_workers is -7; must be -1 to 1024"),
        ({"save_interval": 10**12}, "save_interval is 1000000000000; must be 1 to 1000000000"),
        ({"weight_decay": float("nan")}, "weight_decay is nan; must be finite"),
        ({"weight_decay": float("inf")}, "weight_decay is inf; must be finite"),
        ({"lr": float("inf")}, "lr is inf; must be finite"),
        ({"lr": 10**400}, "must be a number"),
        ({"mask_distribution": "linspace-1-2-" + "9" * 5000}, "must have 500 characters at most"),
        ({"ema_rate": "-0"}, "ema_rate is '-0'"),
    ],
)
def test_wrong_settings(change, message):
    with pytest.raises(InputError) as error:
        training_config(SETTINGS | change)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["lr", "steps", "wandb", "ema_rate", "use_fp16", "mask_distribution"])
def test_long_values_are_cut(key):
    with pytest.raises(InputError) as error:
        training_config(SETTINGS | {key: "9" * 10_000})
    assert len(str(error.value)) < 300


def test_keys_without_effect_may_differ_in_checkpoints():
    """A run that had others, when they were allowed, can go on."""
    assert set(WITHOUT_EFFECT) <= set(FREE_KEYS)
    with_defaults({"sample_interval": 1, "valid_microbatch": 3, "do_cond_marg": False})


def test_missing_settings():
    with pytest.raises(InputError, match="lack T, steps"):
        training_config({"dataset": "minerl"})


def test_ema_rates():
    assert training_config(SETTINGS | {"ema_rate": 0.99}).ema_rates == (0.99,)
    assert training_config(SETTINGS | {"ema_rate": "0.99,0.9999"}).ema_rates == (0.99, 0.9999)
