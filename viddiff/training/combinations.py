"""Settings of a training that are possible, but not with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viddiff.errors import InputError, naming
from viddiff.flat_config import DEFAULTS
from viddiff.training.level_spans import level_spans

if TYPE_CHECKING:
    from viddiff.training.config import TrainingConfig

TELLS_NOISE = ("channel", "channel-initzero")  # of cond_emb_type
NOISE_LEVELS = ("per_window", "per_frame")


def check_together(config: TrainingConfig) -> None:
    """Raise `InputError` for values that are possible, but not with each other."""
    if config.lr_anneal_steps and config.steps > config.lr_anneal_steps:
        raise InputError(
            f"training key steps is {config.steps}; must not exceed lr_anneal_steps {config.lr_anneal_steps}"
        )
    if config.keep_every and not config.keep_last:
        raise InputError(f"training key keep_every is {config.keep_every}, but keep_last is 0: all sets stay")
    if config.save_latest_only and config.keep_last:
        raise InputError(
            f"training key keep_last is {config.keep_last}, but save_latest_only keeps one set alone"
        )
    if config.compile and config.processes > 1:
        raise InputError(
            f"training key compile is true, and nodes x gpus is {config.processes}: one process alone compiles its "
            "network; take one of them out"
        )
    mark = config.network.get("cond_emb_type", DEFAULTS["cond_emb_type"])
    if config.observed_noise and mark not in TELLS_NOISE:
        raise InputError(
            f"training key observed_noise is {config.observed_noise}, and cond_emb_type is {mark!r:.60}, which has "
            f"no place to tell the network of it; use {' or '.join(TELLS_NOISE)}"
        )
    _check_levels(config)
    if config.post_hoc_ema and config.save_latest_only:
        raise InputError(
            "training key post_hoc_ema is true, and save_latest_only too: averages of many steps are needed; take "
            "one of them out"
        )
    if config.post_hoc_ema and config.keep_last and not config.keep_every:
        raise InputError(
            f"training key post_hoc_ema is true, and keep_last is {config.keep_last}: averages of many steps are "
            "needed; take keep_every too, so that twenty or more stay"
        )
    if config.lr_schedule != "linear" and not config.lr_anneal_steps:
        raise InputError(
            f"training key lr_schedule is {config.lr_schedule}; lr_anneal_steps must say at which step it reaches 0"
        )
    if config.lr_anneal_steps and config.lr_warmup_steps >= config.lr_anneal_steps:
        raise InputError(
            f"training key lr_warmup_steps is {config.lr_warmup_steps}; must be below lr_anneal_steps "
            f"{config.lr_anneal_steps}"
        )


def _check_levels(config: TrainingConfig) -> None:
    levels, sampler = config.noise_levels, config.schedule_sampler
    if levels == "per_frame" and sampler == "loss-second-moment":
        raise InputError(
            "training key noise_levels is per_frame, and schedule_sampler is loss-second-moment, which knows one loss "
            "of a window, not of each level; use uniform or logit-normal"
        )
    if levels in NOISE_LEVELS:
        return
    if "_" not in levels:
        raise InputError(
            f"training key noise_levels is {levels!r:.60}; allowed: {', '.join(NOISE_LEVELS)}, or a mode"
        )
    with naming("training key noise_levels"):
        level_spans(levels)
    if sampler != "uniform":
        raise InputError(
            f"training key noise_levels is {levels}, and schedule_sampler is {sampler}; the mode's plan tells the "
            "levels: use uniform"
        )
