"""Which settings a run may change when it goes on, and why others may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viddiff.flat_config import LEVELS_PLAN, OWN
from viddiff.model.sizes import WIDTH
from viddiff.training.config import WITHOUT_EFFECT

# Keys that may change when a run goes on: they do not change the weights beyond rounding.
FREE_KEYS = (
    "save_interval", "save_latest_only", "log_interval", "sample_interval", "n_valid_batches", "num_workers",
    "microbatch", *WITHOUT_EFFECT
)  # fmt: skip
# Keys that may change too, which is recorded: they change how the weights go on, not what they are for.
CHANGEABLE = (
    "lr",
    "lr_anneal_steps",
    "weight_decay",
    "batch_size",
    "ema_rate",
    "schedule_sampler",
    "precision",
    "grad_clip",
    "without_replacement",
)
_SQUARE = {WIDTH: None}  # of frames that are square, whose flat config lacks the key
# Why others may not, as one reason for several keys; for those of the network see `_why_fixed`.
_WHY_FIXED = {
    ("fake_seed",): "what each training step draws comes from it",
    ("start_from",): "it was read at step 0 alone",
    (LEVELS_PLAN,): "the mode of noise_levels is defined anew",
    (
        "dataset",
        "T",
        "max_frames",
        "mask_distribution",
        "pad_with_random_frames",
    ): "a run is of one kind of windows",
}


def changed_settings(saved: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Which keys of two flat configs differ that a run cannot change, in words; "" if none."""
    now, before = _SQUARE | OWN | dict(config), _SQUARE | OWN | dict(saved)
    unknown = {LEVELS_PLAN} - set(saved)  # of a run before this key
    free = {*FREE_KEYS, *CHANGEABLE, *unknown}
    changed = [key for key in now if key not in free and before.get(key) != now[key]]
    told = [f"{key} was {before.get(key)!r} and is {now[key]!r}" for key in changed]
    return f"{', '.join(told)} ({'; '.join(dict.fromkeys(map(_why_fixed, changed)))})" if told else ""


def recorded_changes(saved: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs in two flat configs that a run may change and that is recorded: by key, what it was and is."""
    now, before = OWN | dict(config), OWN | dict(saved)
    return {
        key: (before.get(key), now[key]) for key in CHANGEABLE if key in now and before.get(key) != now[key]
    }


def _why_fixed(key: str) -> str:
    why = next((why for keys, why in _WHY_FIXED.items() if key in keys), None)
    return why or "the saved weights are of that network and diffusion"
