"""Strategies: the rules that make plans.

A strategy is a generator of stages, registered under the name by which modes call it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator

from viddiff.errors import InputError, PlanError
from viddiff.inference.plan import Stage

Strategy = Callable[[int, int, int, int], Iterator[Stage]]
STRATEGIES: dict[str, Strategy] = {}


def strategy(*names: str) -> Callable[[Strategy], Strategy]:
    """Register a generator `(length, n_obs, window, step_size) -> stages` under its name and its aliases."""

    def register(function: Strategy) -> Strategy:
        STRATEGIES.update(dict.fromkeys(names, function))
        return function

    return register


def stages_of(name: str, length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """The stages by which the named strategy completes a video.

    length: frames of the video; n_obs: how many of the first are observed; window: the most frames of one stage;
    step_size: how many frames a stage makes. Raises `InputError` for an unknown name, `PlanError` for parameters that
    the strategy cannot work with.
    """
    check_parameters(window, step_size, length, n_obs)
    return find_strategy(name)(length, n_obs, window, step_size)


def find_strategy(name: str) -> Strategy:
    """The strategy of that name. Raises `InputError` with the nearest known name if there is none."""
    if name not in STRATEGIES:
        nearest = difflib.get_close_matches(name, STRATEGIES, n=1, cutoff=0.0)[0]
        raise InputError(
            f"unknown inference mode {name!r}; did you mean {nearest!r}? Known: {', '.join(sorted(STRATEGIES))}"
        )
    return STRATEGIES[name]


def check_parameters(
    max_frames: int | None, step_size: int | None, T: int | None, obs_length: int | None
) -> None:
    """Raise `PlanError` with the parameter and its range if one is impossible for every strategy. `None`: not given."""
    for name, value, low in (
        ("max_frames", max_frames, 1),
        ("step_size", step_size, 1),
        ("T", T, 1),
        ("obs_length", obs_length, 0),
    ):
        if value is not None and value < low:
            raise PlanError(f"{name} is {value}, must be {low} or more")
    if None not in (step_size, max_frames) and step_size > max_frames:
        raise PlanError(f"step_size is {step_size}, must be 1 to max_frames = {max_frames}")
    if None not in (T, obs_length) and obs_length >= T:
        raise PlanError(
            f"obs_length is {obs_length}, must be 0 to T - 1 = {T - 1}, so that a frame is left to make"
        )


@strategy("autoreg")
def autoregressive(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Each stage observes the newest `window - step_size` known frames and makes the next `step_size`."""
    for first in range(n_obs, length, step_size):
        context = range(max(0, first - (window - step_size)), first)
        yield Stage(observed=tuple(context), latent=tuple(range(first, min(first + step_size, length))))
