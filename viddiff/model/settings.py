"""What a flat config may say about the network. Planning reads it: no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from viddiff.errors import InputError
from viddiff.model.sizes import frame_size

GROUPS = 32  # of the normalisation
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


def check_network(config: Mapping[str, Any], refactored: bool = False) -> None:
    """Check a full config, see `viddiff.flat_config.with_defaults`.

    refactored: whether it is of the refactored format. Raises `InputError` for a value that no network of this family
    has.
    """
    frame_size(config)
    conditioning = config["cond_emb_type"]
    if conditioning not in CONDITIONING:
        raise InputError(
            f"config key cond_emb_type is {conditioning!r:.60}; allowed: {', '.join(CONDITIONING)}"
        )
    for key, only in (("class_cond", False), ("cross_frame_attention", True)):
        if config[key] is not only and not refactored:
            raise InputError(f"config key {key} is {config[key]!r}; this network has {only} only")
    width, heads = config["num_channels"], config["num_heads"]
    if not 1 <= width <= MOST_CHANNELS or width % GROUPS:
        raise InputError(
            f"config key num_channels is {width}; must be a multiple of {GROUPS}, {MOST_CHANNELS} at most"
        )
    for key, value in (("num_heads", heads), ("num_heads_upsample", upsampling_heads(config, refactored))):
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
    if not config["use_rpe_net"]:
        for key in ("rp_alpha", "rp_beta", "rp_gamma"):
            if not 1 <= config[key] <= MOST_DISTANCE:
                raise InputError(
                    f"config key {key} is {config[key]}; must be 1 to {MOST_DISTANCE} (by default it is T)"
                )
    attention_resolutions(config)


def upsampling_heads(config: Mapping[str, Any], refactored: bool) -> int:
    """Attention heads on the way up. The original ignores num_heads_upsample."""
    heads: int = config["num_heads_upsample"]
    return heads if refactored and heads != -1 else config["num_heads"]


def attention_resolutions(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The heights of the feature maps with attention. Raises `InputError` if they are not numbers with commas."""
    resolutions: str = config["attention_resolutions"]
    parts = [part.strip() for part in resolutions.split(",")]
    if not all(re.fullmatch("[1-9][0-9]{0,4}", part) for part in parts):
        raise InputError(
            f"config key attention_resolutions is {resolutions!r:.60}; must be numbers with commas: 16,8"
        )
    return tuple(map(int, parts))
