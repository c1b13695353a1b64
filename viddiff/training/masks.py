"""Which frames of a training video are observed and which are latent: distributions over pairs of masks.

A network meets many arrangements of frames in training, so that it fits every inference mode (Harvey et al.
2022, section 4). Distributions are registered by name; numbers in a name are parameters: `autoregressive-3`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int

from viddiff.errors import InputError
from viddiff.registry import Registry

Masks = tuple[Bool[np.ndarray, " T"], Bool[np.ndarray, " T"]]  # observed, latent
Distribution = Callable[..., Masks]  # (T, max_frames, generator, *parameters)

mask_distribution: Registry[Distribution] = Registry("mask_distribution", __name__)


def sample_masks(
    name: str, T: int, max_frames: int, batch: int, generator: np.random.Generator
) -> tuple[Bool[np.ndarray, "B T"], Bool[np.ndarray, "B T"]]:
    """Observed and latent masks of `batch` videos; they are disjoint and mark `max_frames` frames at most.

    Raises `InputError` for an unknown name or parameters that do not fit.
    """
    distribution, parameters = _parse(name)
    if not 1 <= max_frames <= T:
        raise InputError(f"max_frames is {max_frames}; must be 1 to T, which is {T}")
    pairs = [distribution(T, max_frames, generator, *parameters) for _ in range(batch)]
    return np.stack([observed for observed, _ in pairs]), np.stack([latent for _, latent in pairs])


def check_mask_distribution(name: str, T: int, max_frames: int) -> None:
    """Raise `InputError` if no masks can be drawn."""
    sample_masks(name, T, max_frames, 1, np.random.default_rng(0))


@mask_distribution("differently-spaced-groups")
def differently_spaced_groups(T: int, max_frames: int, generator: np.random.Generator) -> Masks:
    """Groups of evenly spaced frames, the first latent, others by a coin, until one does not fit."""
    return _groups(T, max_frames, generator, consecutive=False)


@mask_distribution("consecutive-groups")
def consecutive_groups(T: int, max_frames: int, generator: np.random.Generator) -> Masks:
    """As `differently-spaced-groups`, of neighbouring frames."""
    return _groups(T, max_frames, generator, consecutive=True)


@mask_distribution("differently-spaced-groups-no-marg")
def differently_spaced_groups_no_marg(T: int, max_frames: int, generator: np.random.Generator) -> Masks:
    """Videos as long as the window: groups are observed while a coin shows heads, other frames are latent."""
    if max_frames != T:
        raise InputError(
            f"mask_distribution differently-spaced-groups-no-marg: max_frames {max_frames} must equal T {T}"
        )
    observed = _observed_while_heads(T, generator)
    return observed, ~observed


@mask_distribution("one-group")
def one_group(T: int, max_frames: int, generator: np.random.Generator) -> Masks:
    """One group of evenly spaced frames. Its observed frames are drawn with replacement."""
    group = _spaced(max_frames, T, generator)
    chosen = generator.choice(group, size=generator.integers(len(group)))
    observed = _marks(T, chosen)
    return observed, _marks(T, group) & ~observed


@mask_distribution("uniform")
def uniform(T: int, max_frames: int, generator: np.random.Generator) -> Masks:
    """Any 1 to `max_frames - 1` frames; any number of them but all is observed."""
    if max_frames < 2:
        raise InputError(f"mask_distribution uniform: max_frames {max_frames} must be 2 at least")
    count = generator.integers(1, max_frames)
    n_observed = generator.integers(count)
    frames = generator.choice(T, size=count, replace=False)
    return _marks(T, frames[:n_observed]), _marks(T, frames[n_observed:])


@mask_distribution("autoregressive")
def autoregressive(T: int, max_frames: int, generator: np.random.Generator, n_observed: int) -> Masks:
    """`max_frames` neighbouring frames, the first `n_observed` of them observed."""
    if n_observed >= max_frames:
        raise InputError(
            f"mask_distribution autoregressive-{n_observed}: must be less than max_frames {max_frames}"
        )
    start = int(generator.integers(T - max_frames + 1))
    middle, end = start + n_observed, start + max_frames
    return _marks(T, np.arange(start, middle)), _marks(T, np.arange(middle, end))


@mask_distribution("linspace")
def linspace(T: int, max_frames: int, generator: np.random.Generator, low: int, high: int, n: int) -> Masks:
    """`n` frames evenly spaced from `low` to `high`; groups of them are observed while a coin shows heads."""
    frames = _linspace(T, max_frames, low, high, n)
    chosen = _observed_while_heads(n, generator)
    return _marks(T, frames[chosen]), _marks(T, frames[~chosen])


@mask_distribution("linspace-no-obs")
def linspace_no_obs(
    T: int, max_frames: int, generator: np.random.Generator, low: int, high: int, n: int
) -> Masks:
    """`n` frames evenly spaced from `low` to `high`, all latent."""
    return _marks(T, []), _marks(T, _linspace(T, max_frames, low, high, n))


def _groups(T: int, max_frames: int, generator: np.random.Generator, consecutive: bool) -> Masks:
    observed, latent = _marks(T, []), _marks(T, [])
    latent[_spaced(max_frames, T, generator, consecutive)] = True
    while (left := max_frames - int((observed | latent).sum())) > 0:
        chosen = observed if generator.random() < 0.5 else latent
        group = _spaced(max_frames, T, generator, consecutive)
        group = group[~(observed | latent)[group]]
        if len(group) > left:
            break
        chosen[group] = True
    return observed, latent


def _observed_while_heads(T: int, generator: np.random.Generator) -> Bool[np.ndarray, " T"]:
    """Marks of groups of observed frames among T; at least one frame stays unmarked."""
    observed = _marks(T, [])
    while generator.random() > 0.5 and (left := T - int(observed.sum())) > 1:
        observed[_spaced(left - 1, T, generator)] = True
    return observed


def _spaced(
    most: int, T: int, generator: np.random.Generator, consecutive: bool = False
) -> Int[np.ndarray, " n"]:
    """1 to `most` frames among T, evenly spaced: the count uniform, the logarithm of the spacing uniform."""
    while True:
        count = int(generator.integers(1, most + 1))
        spacing = 1.0 if consecutive else np.exp(generator.random() * np.log(T / (count - 0.999)))
        start = generator.random() * (T - spacing * (count - 1))
        frames = (start + spacing * np.arange(count)).astype(np.int64)
        if frames[-1] < T:  # rounding may lead one frame too far
            return frames


def _linspace(T: int, max_frames: int, low: int, high: int, n: int) -> Int[np.ndarray, " n"]:
    # As many frames as this differ, since they lie one apart or more.
    if not 1 <= n <= min(max_frames, high - low + 1) or not 0 <= low <= high < T:
        raise InputError(
            f"mask_distribution linspace: {n} frames from {low} to {high}; must differ, lie below T {T} "
            f"and be 1 to {max_frames} (max_frames)"
        )
    # The first half counted from `low`, the rest from `high`, in float32: the original's, torch.linspace, to the bit.
    step, number = np.float32(high - low) / np.float32(max(1, n - 1)), np.arange(n, dtype=np.float32)
    rising, falling = np.float32(low) + step * number, np.float32(high) - step * number[::-1]
    return np.where(number < n // 2, rising, falling if n > 1 else rising).astype(np.int64)


def _marks(T: int, frames: Int[np.ndarray, " n"] | list[int]) -> Bool[np.ndarray, " T"]:
    marks = np.zeros(T, dtype=bool)
    marks[np.asarray(frames, dtype=np.int64)] = True
    return marks


def _parse(name: str) -> tuple[Distribution, tuple[int, ...]]:
    numbers = re.search(r"(?:-[0-9]+)*\Z", name)
    assert numbers is not None  # there may be none
    base = name[: numbers.start()]
    distribution = mask_distribution.find(base)
    parameters = tuple(int(number) for number in numbers[0].split("-")[1:])
    names = list(inspect.signature(distribution).parameters)[3:]
    if len(parameters) != len(names):
        form = "-".join([base, *(f"<{name}>" for name in names)])
        raise InputError(f"mask_distribution is {name!r}, must be {form}")
    return distribution, parameters
