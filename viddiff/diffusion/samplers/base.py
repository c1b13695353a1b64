"""What a sampler is: one function with a decorator in a file of this folder.

It takes the noise levels from the noisiest on and walks down to x_0. Its name becomes part of the checkpoint folder's:
`ema_0.9999_400000_ddim`. Noise is drawn for all frames at once, by calling `noise`; how often does not depend on the
values of frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.sampler_names import PACKAGE, check_has_step, parse_sampler
from viddiff.registry import Registry
from viddiff.window import WindowFrames

Sampler = Callable[..., WindowFrames]
Step = Callable[..., Tensor]


def _entry(function: Sampler, options: Mapping[str, Any] | None = None, per_level: int = 1) -> Sampler:
    """The facts are read from the source, by `viddiff.diffusion.sampler_names`, which says what they are."""
    return function


sampler: Registry[Sampler] = Registry("sampler", PACKAGE, _entry)

# Of samplers that need no more than one estimate to go from a level to a lower one: the function that does, of
# (x, estimate, level, lower, noise) and the sampler's options. It is elementwise, so x may be any frames. Plans with
# noise levels per frame (`docs/levels.md`) work with these samplers alone.
sampler_step: Registry[Step] = Registry("sampler_step", PACKAGE)


def find_sampler(text: str) -> Sampler:
    """The sampler of a name with options, `unipc-order3`. Raises `InputError` if it is not one, in canonical form."""
    name = parse_sampler(text)
    return partial(sampler.find(name.sampler), **dict(name.options))


def find_step(text: str) -> Step:
    """The step of the sampler of that name. Raises `InputError` if it has none, or as `find_sampler` does."""
    check_has_step(text)
    name = parse_sampler(text)
    return partial(sampler_step.find(name.sampler), **dict(name.options))


def log_snr(level: Level) -> float:
    """lambda = log(alpha / sigma), half the logarithm of the signal-to-noise ratio.

    Minus infinity for frames without a signal, infinite for clean ones.
    """
    if level.alpha == 0.0:
        return -math.inf
    return math.inf if level.sigma == 0.0 else math.log(level.alpha / level.sigma)
