"""Strategies: the rules by which a video is divided into stages.

A strategy is a generator of stages, registered under the name by which modes call it. It sees the parameters
of the mode and no content, so its stages are known before any frame is made. `stages_of` is the way in.

The names are those of Harvey et al. 2022, "Flexible Diffusion Modeling of Long Videos", arXiv 2205.11495, and
its code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

from viddiff.diffusion.treatment import FORM
from viddiff.errors import InputError, PlanError, unknown
from viddiff.inference.plan import Stage
from viddiff.inference.second import SecondCheckpoint
from viddiff.registry import Registry

# (length, n_obs, window, step_size): frames of the video, how many of the first are given, the most frames of
# a stage, how many of them it makes. Keyword arguments, if any, are options that a preset may set.
Stages = Callable[..., Iterator[Stage]]


@dataclass(frozen=True)
class Strategy:
    """A strategy.

    neighbours: how many known frames before the latent ones an adaptive variant keeps; adaptive: the stages of that
    variant, if they do not follow from the others (`viddiff.inference.combine.adapted`); second: of modes of
    the configuration, a checkpoint that makes the stages of later phases.
    """

    stages: Stages
    neighbours: int = 1
    adaptive: Stages | None = None
    second: SecondCheckpoint | None = None


strategy = Registry("strategy", "viddiff.inference", Strategy)

# Those of the configuration, see `user_modes`: strategies, and further names of strategies and their combinations.
USER_STRATEGIES: dict[str, Strategy] = {}
PRESETS: dict[str, str] = {}

# Names with a part to fill in: a pattern, and the function from what the pattern captures to a strategy.
FAMILIES: dict[str, Callable[..., Strategy]] = {}
EXAMPLES: list[str] = []  # of names of families


def family(pattern: str, *examples: str) -> Callable[[Callable[..., Strategy]], Callable[..., Strategy]]:
    """Register a function that makes strategies, under the pattern of their names; some of these as examples."""

    def register(make: Callable[..., Strategy]) -> Callable[..., Strategy]:
        FAMILIES[pattern] = make
        EXAMPLES.extend(examples)
        return make

    return register


def strategy_names() -> tuple[str, ...]:
    """The names of all strategies but the configuration's, of families the examples."""
    return (*strategy.names(), *EXAMPLES)


def stages_of(name: str, length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """The stages by which the named strategy completes a video of `length` frames, the first `n_obs` given.

    window: the most frames of one stage (`max_frames` of a mode); step_size: how many of them it makes.
    Raises `InputError` for an unknown name, `PlanError` (perhaps while iterating) for parameters with which
    the strategy has no plan.
    """
    check_parameters(window, step_size, length, n_obs)
    return find_strategy(name).stages(length, n_obs, window, step_size)


def find_strategy(name: str) -> Strategy:
    """The strategy of that name. Raises `InputError` with the nearest name and all known ones if there is none."""
    if name in USER_STRATEGIES:
        return USER_STRATEGIES[name]
    if name in strategy.names():
        return strategy.find(name)
    for pattern, make in FAMILIES.items():
        if match := re.fullmatch(pattern, name):
            return make(*match.groups())
    error = unknown(f"strategy {name!r}", name, {*strategy_names(), *USER_STRATEGIES, *PRESETS})
    raise InputError(f"{error}, and before any of these: {FORM}[gibbs-<n>-][adaptive-[l2-]][goal-directed-]")


def check_parameters(
    max_frames: int | None, step_size: int | None, T: int | None, obs_length: int | None
) -> None:
    """Raise `PlanError` for parameters that no strategy can work with. `None`: not given, so not checked."""
    for name, value in (("max_frames", max_frames), ("step_size", step_size), ("T", T)):
        if value is not None and value < 1:
            raise PlanError(f"{name} is {value}, must be 1 or more")
    if obs_length is not None and obs_length < 0:
        raise PlanError(f"obs_length is {obs_length}, must be 0 or more")
    if step_size is not None and max_frames is not None and step_size > max_frames:
        raise PlanError(f"step_size is {step_size}, must be 1 to max_frames = {max_frames}")
    if obs_length is not None and T is not None and obs_length >= T:
        raise PlanError(
            f"obs_length is {obs_length}, must be 0 to T - 1 = {T - 1}: a frame must be left to make"
        )


def check_option(name: str, value: Any, right: bool, allowed: str) -> None:
    """Raise `InputError` for a value of a strategy's option that is not `right`, whatever the parameters."""
    if not right or isinstance(value, bool):
        raise InputError(f"option {name} is {value!r}, must be {allowed}")


def from_nothing(continued: Stages, phase: int = 1) -> Stages:
    """Where no frame is given, make a whole window from nothing; if frames are left, go on as if it had been given.

    phase: of that window.
    """

    @wraps(continued)
    def stages(length: int, n_obs: int, window: int, step_size: int, **options: Any) -> Iterator[Stage]:
        if n_obs == 0:
            n_obs = min(window, length)
            yield Stage(observed=(), latent=tuple(range(n_obs)), phase=phase)
        if n_obs < length:
            yield from continued(length, n_obs, window, step_size, **options)

    return stages


@strategy("autoreg")
@from_nothing
def autoregressive(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Each stage observes the newest `window - step_size` known frames and makes the next `step_size`."""
    for latent in steps(n_obs, length, step_size):
        yield Stage(newest(window - step_size, latent[0]), latent)


@strategy("independent")
@from_nothing
def independent(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Each stage observes the newest `window - step_size` given frames, none that were made."""
    for latent in steps(n_obs, length, step_size):
        yield Stage(newest(window - step_size, n_obs), latent)


@strategy("really-independent")
def really_independent(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Each stage makes a whole window of frames and observes nothing; `step_size` has no effect."""
    for latent in steps(n_obs, length, window):
        yield Stage((), latent)


@strategy("mixed-autoreg-independent", "long-range")
def long_range(length: int, n_obs: int, window: int, step_size: int, *, recent: Any = 0.5) -> Iterator[Stage]:
    """Of the `window - step_size` observed frames half are the newest known, the others the newest given.

    recent: the share of the newest known, 0 to 1, if not half.
    """
    check_option(
        "recent", recent, isinstance(recent, int | float) and 0 <= recent <= 1, "a number from 0 to 1"
    )
    return _long_range(length, n_obs, window, step_size, recent=recent)


@from_nothing
def _long_range(length: int, n_obs: int, window: int, step_size: int, *, recent: float) -> Iterator[Stage]:
    places = window - step_size
    for latent in steps(n_obs, length, step_size):
        last = newest(int(places * recent), latent[0])
        given = newest(places - len(last), min(n_obs, latent[0] - len(last)))
        yield Stage(given + last, latent)


@strategy("exp-past")
@from_nothing
def exponential_past(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Each stage observes the frames 1, 2, 4, 8, … before it, to half way back, then the newest others."""
    places = window - step_size
    for latent in steps(n_obs, length, step_size):
        powers = (latent[0] - 2**i for i in range(latent[0].bit_length() - 1))
        yield Stage(distinct((*powers, *reversed(newest(places, latent[0]))))[:places], latent)


def nearest(known: bytearray, latent: tuple[int, ...], n_before: int, most: int) -> tuple[int, ...]:
    """The known frames between the latent ones, then the nearest `n_before` before them, then the nearest after them.

    Not more than `most` of them.
    """
    first, last = min(latent), max(latent)
    between = [frame for frame in range(first, last) if known[frame]]
    before: list[int] = []
    frame = first
    while len(before) < n_before and (frame := known.rfind(1, 0, frame)) >= 0:
        before.append(frame)
    after = [frame for frame in (known.find(1, last + 1),) if frame >= 0]
    return (*between, *before, *after)[:most]


def mark(known: bytearray, frames: Iterable[int]) -> None:
    """Mark frames as known, with 1."""
    for frame in frames:
        known[frame] = 1


def steps(first: int, length: int, size: int) -> Iterator[tuple[int, ...]]:
    """The frames from `first` on, in groups of `size`; the last group may be smaller."""
    for start in range(first, length, size):
        yield tuple(range(start, min(start + size, length)))


def newest(count: int, end: int) -> tuple[int, ...]:
    """The `count` frames before `end`, or as many as there are."""
    return tuple(range(max(0, end - count), end))


def distinct(frames: Iterable[int]) -> tuple[int, ...]:
    """The frames in their order, each once."""
    return tuple(dict.fromkeys(frames))
