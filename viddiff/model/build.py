"""From a checkpoint's config to its network, for both formats."""

from __future__ import annotations

import re
from typing import Any

from viddiff.checkpoint import config_format, with_defaults
from viddiff.errors import InputError
from viddiff.model.attention import Buckets
from viddiff.model.blocks import GROUPS
from viddiff.model.unet import Architecture, UNetVideoModel

CHANNEL_MULT = {256: (1, 1, 2, 2, 4, 4), 128: (1, 1, 2, 3, 4), 64: (1, 2, 3, 4), 32: (1, 2, 2, 2)}
# No network of this family is wider or deeper, nor has longer tables. Larger numbers would only keep building for ever.
MOST_CHANNELS = 4096
MOST_RES_BLOCKS = 32
MOST_DISTANCE = 100_000  # frames
ALIASES = {"all": "duplicate", "all-initzero": "duplicate-initzero"}  # what the original computes for them
CONDITIONING = (
    "channel",
    "channel-initzero",
    "duplicate",
    "duplicate-initzero",
    "t=0",
    "t=0-initzero",
    *ALIASES,
)


def build_model(config: dict[str, Any]) -> UNetVideoModel:
    """The network that a checkpoint's config describes, with fresh weights.

    Raises `InputError` for a value that no network of this family has.
    """
    return UNetVideoModel(architecture(config))


def architecture(config: dict[str, Any]) -> Architecture:
    """Read the network's shape from a flat training config, in the original's or the refactored format."""
    refactored = config_format(config) == "refactored"
    config = with_defaults(config)
    size, conditioning = config["image_size"], config["cond_emb_type"]
    if size not in CHANNEL_MULT:
        raise InputError(f"config key image_size is {size!r}; allowed: {sorted(CHANNEL_MULT)}")
    if conditioning not in CONDITIONING:
        raise InputError(
            f"config key cond_emb_type is {conditioning!r:.60}; allowed: {', '.join(CONDITIONING)}"
        )
    for key, only in (("class_cond", False), ("cross_frame_attention", True)):
        if config[key] is not only and not refactored:
            raise InputError(f"config key {key} is {config[key]!r}; this network has {only} only")
    width, heads, heads_upsample = config["num_channels"], config["num_heads"], config["num_heads_upsample"]
    # The original ignores num_heads_upsample.
    heads_upsample = heads_upsample if refactored and heads_upsample != -1 else heads
    if not 1 <= width <= MOST_CHANNELS or width % GROUPS:
        raise InputError(
            f"config key num_channels is {width}; must be a multiple of {GROUPS}, {MOST_CHANNELS} at most"
        )
    for key, value in (("num_heads", heads), ("num_heads_upsample", heads_upsample)):
        if value < 1 or width % value:
            raise InputError(f"config key {key} is {value}; must divide num_channels, {width}")
    if not 1 <= config["num_res_blocks"] <= MOST_RES_BLOCKS:
        raise InputError(
            f"config key num_res_blocks is {config['num_res_blocks']}; must be 1 to {MOST_RES_BLOCKS}"
        )
    if not 0 <= config["dropout"] <= 1:
        raise InputError(f"config key dropout is {config['dropout']}; must be in [0, 1]")
    if config["use_frame_encoding"] and not 1 <= config["T"] <= MOST_DISTANCE:
        raise InputError(
            f"config key T is {config['T']}; with use_frame_encoding it must be 1 to {MOST_DISTANCE}"
        )
    buckets = None
    if not config["use_rpe_net"]:
        for key in ("rp_alpha", "rp_beta", "rp_gamma"):
            if not 1 <= config[key] <= MOST_DISTANCE:
                raise InputError(
                    f"config key {key} is {config[key]}; must be 1 to {MOST_DISTANCE} (by default it is T)"
                )
        buckets = Buckets(config["rp_alpha"], config["rp_beta"], config["rp_gamma"])
    return Architecture(
        image_size=size,
        channels=3,
        model_channels=width,
        channel_mult=CHANNEL_MULT[size],
        num_res_blocks=config["num_res_blocks"],
        attention_downsamplings=_downsamplings(config["attention_resolutions"], size),
        heads=heads,
        heads_upsample=heads_upsample,
        dropout=config["dropout"],
        scale_shift=config["use_scale_shift_norm"],
        learn_sigma=config["learn_sigma"],
        conditioning="indicator" if refactored else ALIASES.get(conditioning, conditioning),
        buckets=buckets,
        spatial_encoding=config["use_spatial_encoding"] and not refactored,
        frame_encoding_period=10 * config["T"] if config["use_frame_encoding"] and not refactored else None,
        centre_frame_encoding=config["enforce_position_invariance"],
        padding_sees_padding=config["allow_interactions_between_padding"] or refactored,
        recompute=config["use_checkpoint"],
    )


def _downsamplings(resolutions: str, size: int) -> tuple[int, ...]:
    parts = [part.strip() for part in resolutions.split(",")]
    if not all(re.fullmatch("[1-9][0-9]{0,4}", part) for part in parts):
        raise InputError(
            f"config key attention_resolutions is {resolutions!r:.60}; must be numbers with commas: 16,8"
        )
    return tuple(size // int(part) for part in parts)
