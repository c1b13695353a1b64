"""The flat config: all settings of a training run, by the keys of the original code. Planning reads it: no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from viddiff.errors import InputError

# Every key of the original's flat config, with its default. Those of None come from other keys.
DEFAULTS: dict[str, Any] = {
    # data and training
    "dataset": "",
    "schedule_sampler": "uniform",
    "lr": 1e-4,
    "weight_decay": 0.0,
    "lr_anneal_steps": 0,
    "batch_size": 1,
    "microbatch": -1,
    "ema_rate": "0.9999",
    "log_interval": 10,
    "sample_interval": 50000,
    "save_interval": 100000,
    "resume_checkpoint": "",
    "use_fp16": False,
    "fp16_scale_growth": 1e-3,
    "do_inefficient_marg": False,
    "n_valid_batches": 1,
    "n_valid_repeats": 2,
    "valid_microbatch": -1,
    "n_interesting_masks": 3,
    "max_frames": 10,
    "save_latest_only": False,
    "resume_id": "",
    "mask_distribution": "differently-spaced-groups",
    "just_visualise": False,
    "just_save_masks": 0,
    "num_workers": -1,
    "pad_with_random_frames": True,
    "fake_seed": 1,
    # network and diffusion
    "image_size": 64,
    "num_channels": 128,
    "num_res_blocks": 2,
    "num_heads": 4,
    "num_heads_upsample": -1,
    "attention_resolutions": "16,8",
    "dropout": 0.0,
    "learn_sigma": False,
    "sigma_small": False,
    "class_cond": False,
    "diffusion_steps": 1000,
    "noise_schedule": "linear",
    "timestep_respacing": "",
    "use_kl": False,
    "predict_xstart": False,
    "rescale_timesteps": True,
    "rescale_learned_sigmas": True,
    "use_checkpoint": False,
    "use_scale_shift_norm": True,
    "use_spatial_encoding": True,
    "T": -1,
    "use_frame_encoding": False,
    "cross_frame_attention": True,
    "do_cond_marg": True,
    "enforce_position_invariance": False,
    "temporal_augment_type": "add_manyhead_presoftmax_time",
    "use_rpe_net": True,
    "cond_emb_type": "channel",
    "rp_alpha": None,  # T
    "rp_beta": None,  # T
    "rp_gamma": None,  # T
    "allow_interactions_between_padding": True,
}
# Keys that the original does not have: a flat config has them only where they are not at their default.
OWN: dict[str, Any] = {
    "prediction": "eps",  # beside eps and x_0, which predict_xstart tells
    "start_from": "",  # the checkpoint that gave the first weights
    "zero_terminal_snr": False,
    "min_snr_gamma": 0.0,
    "lr_schedule": "linear",
    "lr_warmup_steps": 0,
    "ema_warmup": False,
    "post_hoc_ema": False,
    "observed_noise": 0.0,
    "without_replacement": False,
    "noise_levels": "per_window",  # one for all latent frames of a window, `per_frame`, or a mode with levels
    "precision": "auto",  # of the training
    "grad_clip": 0.0,  # the longest gradient; 0: of any length
}
# The plan of the mode that `noise_levels` names: a setting of no user, in checkpoints of such runs.
LEVELS_PLAN = "noise_levels_plan_sha256"
TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
# What sampling reads: of the data, the network and the diffusion.
_CHECKED_KEYS = ("dataset", "max_frames", *tuple(DEFAULTS)[tuple(DEFAULTS).index("image_size") :])
_ORIGINAL_ONLY = frozenset(
    {
        "cond_emb_type",
        "cross_frame_attention",
        "do_cond_marg",
        "enforce_position_invariance",
        "mask_distribution",
        "rp_alpha",
        "temporal_augment_type",
        "use_frame_encoding",
        "use_spatial_encoding",
    }
)


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with every key of the original's; unknown keys are kept.

    Judge the format of a config before: this gives it the original's. Raises `InputError` if a key that
    sampling reads has a value of the wrong type.
    """
    full = DEFAULTS | dict(config)
    for key in ("rp_alpha", "rp_beta", "rp_gamma"):
        full[key] = full["T"] if full[key] is None else full[key]
    for key in _CHECKED_KEYS:
        wanted = int if DEFAULTS[key] is None else type(DEFAULTS[key])
        if type(full[key]) not in ((int, float) if wanted is float else (wanted,)):
            raise InputError(f"config key {key} is {full[key]!r:.60}; must be {TYPE_NAMES[wanted]}")
    for key in OWN:
        own_setting(full, key)
    return full


def own_setting(config: Mapping[str, Any], key: str) -> Any:
    """The value of one of the keys in `OWN`. Raises `InputError` if it has the wrong type."""
    wanted, value = type(OWN[key]), config.get(key, OWN[key])
    if type(value) not in ((int, float) if wanted is float else (wanted,)):
        raise InputError(f"config key {key} is {value!r:.60}; must be {TYPE_NAMES[wanted]}")
    return value


def config_format(config: Mapping[str, Any]) -> str:
    """The format, `original` or `refactored`: the latter lacks the keys that the refactoring removed."""
    return "original" if _ORIGINAL_ONLY & set(config) else "refactored"


def parse_rates(ema_rate: str) -> tuple[float, ...]:
    """The rates in a list with commas, "0.9999,0.999". Raises `InputError` unless they differ and are in [0, 1)."""
    try:
        rates = tuple(float(rate) for rate in ema_rate.split(","))
    except ValueError:
        rates = ()
    signed = any(math.copysign(1.0, rate) < 0 for rate in rates)  # -0 is no part of a file's name
    if not rates or signed or len(set(rates)) != len(rates) or not all(0.0 <= rate < 1.0 for rate in rates):
        raise InputError(f"ema_rate is {ema_rate!r:.60}; must be different numbers in [0, 1) with commas")
    return rates
