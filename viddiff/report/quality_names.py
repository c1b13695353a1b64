"""How samplers and their network evaluations are named in a comparison of samplers. Planning reads it."""

from __future__ import annotations

from bisect import bisect_right

from viddiff.diffusion.respacing import read_respacing
from viddiff.diffusion.sampler_names import evaluations


def most_levels(sampler: str, count: int) -> int:
    """The most noise levels of which a sampler takes no more than `count` network evaluations."""
    return bisect_right(range(1, count + 1), count, key=lambda levels: evaluations(sampler, levels))


def sampler_name(sampler: str, respacing: str) -> str:
    """A sampler with the spacing of its levels behind `_`, where that is not the usual one: `dpm_logsnr`."""
    spacing = read_respacing(respacing)[0] if respacing else ""
    return f"{sampler}_{spacing}" if spacing else sampler
