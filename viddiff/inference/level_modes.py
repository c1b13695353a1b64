"""Strategies whose frames are at noise levels of their own: steps in place of stages, see `docs/levels.md`.

`rolling`: Rolling Diffusion (Ruhe et al. 2024, arXiv 2402.09470), FIFO-Diffusion (Kim et al. 2024, arXiv 2405.11473).
`pyramid` and `sequential`: Diffusion Forcing (Chen et al. 2024, arXiv 2407.01392; Song et al. 2025, arXiv 2502.06764).
`joint`: windows over one noisy video, which interlock instead of being averaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from math import gcd

from viddiff.errors import InputError, PlanError
from viddiff.inference.plan import Stage
from viddiff.inference.strategies import Strategy, autoregressive, family, newest, steps, strategy


class Video:
    """The levels of a video's frames while steps are made: `levels` before a frame begins, 0 when it is clean."""

    def __init__(self, length: int, given: Iterable[int], levels: int) -> None:
        self.levels = levels
        self.at = [levels] * length
        for frame in given:
            self.at[frame] = 0

    def step(self, moved: Sequence[int], others: Iterable[int]) -> Stage:
        """The step that takes the frames `moved` down by a level beside others, observed if clean, else held."""
        others = tuple(others)
        observed = tuple(frame for frame in others if self.at[frame] == 0)
        latent = tuple(sorted((*moved, *(frame for frame in others if self.at[frame]))))
        starts = tuple(self.at[frame] for frame in latent)
        for frame in moved:
            self.at[frame] -= 1
        return Stage(observed, latent, 0, self.levels, starts, tuple(self.at[frame] for frame in latent))


def rolling(queue: int, length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """A queue of `queue` frames at rising levels; in each iteration all fall by one, `step_size` leave and enter.

    Each `step_size` neighbours have one level. The newest clean frames that fit beside the queue are observed. One that
    does not fit the window is moved in parts, the cleanest first, each beside half a window of frames before it.

    Raises `PlanError` if `step_size` does not divide the queue.
    """
    if queue % step_size:
        raise PlanError(f"step_size is {step_size}, must divide the queue of {queue} frames")
    groups, levels = list(steps(n_obs, length, step_size)), queue // step_size
    video = Video(length, range(n_obs), levels)
    size = window if queue <= window else max(window // 2 // step_size, 1) * step_size
    for iteration in range(len(groups) + levels - 1):
        active = [
            frame for group in groups[max(0, iteration + 1 - levels) : iteration + 1] for frame in group
        ]
        for first in range(0, len(active), size):
            part = active[first : first + size]
            yield video.step(part, newest(window - len(part), part[0]))


def pyramid(delay: int, length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Stages of `autoreg`, in each of which a frame starts when the one before has made `delay` percent of its way.

    `level[m, t] = clip(100 + delay t - m, 0, 100)` of frame t after iteration m, in as few levels as tell that apart.
    Frames that have not begun are in the window, as noise.
    """
    unit = gcd(delay, 100)
    levels, delay = 100 // unit, delay // unit
    for stage in autoregressive(length, n_obs, window, step_size):
        rows = [
            tuple(min(max(levels + delay * t - m, 0), levels) for t in range(len(stage.latent)))
            for m in range(levels + delay * (len(stage.latent) - 1) + 1)
        ]
        for before, after in pairwise(rows):
            clean = before.count(0)
            yield Stage(
                (*stage.observed, *stage.latent[:clean]),
                stage.latent[clean:],
                0,
                levels,
                before[clean:],
                after[clean:],
            )


@strategy("sequential")
def sequential(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Stages of `autoreg`, in each of which one frame after another goes from noise to clean; the others are noise."""
    return pyramid(100, length, n_obs, window, step_size)


def joint(rounds: int, length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """All frames fall together, by a level in each of `rounds` rounds, in groups of `step_size` neighbours.

    A window moves one group beside the nearest other frames on both sides, as noisy as they are by then. In every
    second round the groups lie half a group later, so that they interlock. In a round every second group moves first.
    """
    video = Video(length, range(n_obs), rounds)
    for number in range(rounds):
        offset = step_size // 2 if number % 2 else 0
        first = min(n_obs + offset, length)
        groups = [tuple(range(n_obs, first)), *steps(first, length, step_size)]
        groups = [group for group in groups if group]
        for group in (*groups[::2], *groups[1::2]):
            yield video.step(group, _nearest(group, length, window - len(group)))


def _nearest(group: Sequence[int], length: int, places: int) -> tuple[int, ...]:
    """The frames around a group, half of the places after it, but as many in all as there are."""
    before, after = group[0], length - 1 - group[-1]
    n_after = min(after, max(places // 2, places - before))
    return (*newest(places - n_after, before), *range(group[-1] + 1, group[-1] + 1 + n_after))


@family("rolling-([0-9]{1,3})", "rolling-6")
def rolling_queue(queue: str) -> Strategy:
    """`rolling` with that queue. Raises `InputError` for less than 2 frames or more than 999."""
    return Strategy(partial(rolling, _number("rolling", "queue", queue, 2, 999)))


@family("pyramid-([0-9]{1,3})", "pyramid-25", "pyramid-50")
def pyramid_delay(delay: str) -> Strategy:
    """`pyramid` with that delay in percent. Raises `InputError` for more than 100."""
    return Strategy(partial(pyramid, _number("pyramid", "delay in percent", delay, 0, 100)))


@family("joint-([0-9]{1,4})", "joint-10")
def joint_rounds(rounds: str) -> Strategy:
    """`joint` with so many rounds. Raises `InputError` for less than 2 or more than 1000."""
    return Strategy(partial(joint, _number("joint", "number of rounds", rounds, 2, 1000)))


def _number(name: str, what: str, text: str, least: int, most: int) -> int:
    if text != str(int(text)) or not least <= int(text) <= most:
        raise InputError(f"{name}-{text}: the {what} is {text}, must be {least} to {most}")
    return int(text)
