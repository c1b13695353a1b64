"""From a checkpoint's config to its network, for both formats."""

from __future__ import annotations

from typing import Any

from viddiff.flat_config import config_format, with_defaults
from viddiff.model.attention import Buckets
from viddiff.model.settings import ALIASES, attention_resolutions, check_network, upsampling_heads
from viddiff.model.sizes import CHANNEL_MULT, frame_size, known_size
from viddiff.model.unet import Architecture, UNetVideoModel


def build_model(config: dict[str, Any]) -> UNetVideoModel:
    """The network that a checkpoint's config describes, with fresh weights.

    Raises `InputError` for a value that no network of this family has.
    """
    return UNetVideoModel(architecture(config))


def architecture(config: dict[str, Any]) -> Architecture:
    """Read the network's shape from a flat training config, in the original's or the refactored format."""
    refactored = config_format(config) == "refactored"
    config = with_defaults(config)
    check_network(config, refactored)
    size, heads = frame_size(config), config["num_heads"]
    known = known_size(*size)
    buckets = None
    if not config["use_rpe_net"]:
        buckets = Buckets(config["rp_alpha"], config["rp_beta"], config["rp_gamma"])
    return Architecture(
        frame_size=size,
        channels=3,
        model_channels=config["num_channels"],
        channel_mult=CHANNEL_MULT[known],
        num_res_blocks=config["num_res_blocks"],
        attention_downsamplings=tuple(known // resolution for resolution in attention_resolutions(config)),
        heads=heads,
        heads_upsample=upsampling_heads(config, refactored),
        dropout=config["dropout"],
        scale_shift=config["use_scale_shift_norm"],
        learn_sigma=config["learn_sigma"],
        conditioning="indicator"
        if refactored
        else ALIASES.get(config["cond_emb_type"], config["cond_emb_type"]),
        buckets=buckets,
        spatial_encoding=config["use_spatial_encoding"] and not refactored,
        frame_encoding_period=10 * config["T"] if config["use_frame_encoding"] and not refactored else None,
        centre_frame_encoding=config["enforce_position_invariance"],
        padding_sees_padding=config["allow_interactions_between_padding"] or refactored,
        recompute=config["use_checkpoint"],
    )
