"""How samplers and their network evaluations are named in a comparison of samplers. Planning reads it."""

from __future__ import annotations

import re

from viddiff.diffusion.sampler_names import evaluations


def most_levels(sampler: str, count: int) -> int:
    """The most noise levels of which a sampler takes no more than `count` network evaluations."""
    return max(levels for levels in range(1, count + 1) if evaluations(sampler, levels) <= count)


def sampler_name(sampler: str, respacing: str) -> str:
    """A sampler with the spacing of its levels behind `_`, where that is not the usual one: `dpm_logsnr`."""
    spacing = re.sub(r"[0-9,]*\Z", "", respacing)
    return f"{sampler}_{spacing}" if spacing else sampler
