"""Which checkpoints a run can start from, as their flat configs tell. Planning reads it: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from viddiff.errors import InputError
from viddiff.flat_config import DEFAULTS, OWN
from viddiff.model.sizes import CHANNEL_MULT, frame_size, known_size

# Each names layers by their number: where one differs, the same name means another layer.
_NUMBERING = ("num_channels", "num_res_blocks")
# Settings of the network and the diffusion: in these, a start file and a run may differ, and the log tells where.
_TOLD = tuple(DEFAULTS)[tuple(DEFAULTS).index("image_size") :]


def check_start(path: Path, saved: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise `InputError` unless a checkpoint's weights can start the network of a run. Both are full flat configs."""
    for key in _NUMBERING:
        if saved[key] != config[key]:
            raise _misfit(path, key, saved[key], config[key])
    levels, wanted = (CHANNEL_MULT[known_size(*frame_size(told))] for told in (saved, config))
    if levels != wanted:
        raise _misfit(
            path, "image_size", saved["image_size"], config["image_size"], ", or of the same levels"
        )


def _misfit(path: Path, key: str, found: Any, wanted: Any, why: str = "") -> InputError:
    return InputError(
        f"{path} is no start for this run: its network has {key} {found}, which must be {wanted}{why}"
    )


def differing_settings(saved: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """In which settings of network and diffusion a start file differs from the run, in words; "" if in none."""
    before, now = OWN | dict(saved), OWN | dict(config)
    keys = [*_TOLD, *(key for key in OWN if key != "start_from")]
    changed = [key for key in keys if before.get(key) != now.get(key)]
    return ", ".join(f"{key} {before.get(key)!r}, here {now.get(key)!r}" for key in changed)
