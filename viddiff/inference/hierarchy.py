"""Hierarchies: frames spread over the whole video first, then over its gaps, level by level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from viddiff.errors import InputError, PlanError
from viddiff.inference.plan import Stage
from viddiff.inference.strategies import Strategy, distinct, family, mark, nearest


def hierarchical(
    depth: int, length: int, n_obs: int, window: int, step_size: int, adaptive: bool = False
) -> Iterator[Stage]:
    """First spread frames over the whole video, then over its gaps, level by level, until the gaps are full.

    Level 1 makes `step_size` evenly spaced frames from evenly spaced given ones; where none is given, it
    makes a whole window from nothing. The spacing of the frames of a stage falls geometrically from level to
    level, to 1 at level `depth`. A stage observes all known frames between the ones that it makes, and the
    nearest on both sides. Where the window cannot hold two of the latter, the stage makes fewer frames,
    spaced as if `step_size` were that number, and observes more.

    Each level is a phase.

    adaptive: of the observed frames only those between the latent ones, the nearest two before and the nearest one
    after are told, as far as there are places for them in this order. The others are selected at run time.

    Raises `PlanError` if `max_frames` is below 3: one frame, and one on each side of it.
    """
    known = bytearray(length)  # 1 where a frame is given or made
    if n_obs == 0:
        start = evenly_spaced(0, length - 1, window)
        yield Stage((), start)
    else:
        start = tuple(range(n_obs))
    mark(known, start)
    to_make = known.count(0)
    if to_make and window < 3:
        raise PlanError(
            f"max_frames is {window}, must be 3 or more: a hierarchy observes frames on both sides"
        )

    if n_obs > 0:
        size = min(step_size, window - 2)
        latent = evenly_spaced(n_obs, length - 0.001, size) if size > 1 else (length - 1,)
        given = evenly_spaced(0, n_obs - 0.001, window - size)
        yield _selecting(known, latent, window - size) if adaptive else Stage(given, latent)
        mark(known, latent)

    level, last = 1, length - 1  # where the newest stage ended
    while 0 in known:
        for size in range(step_size, 0, -1):
            if known.count(0) == to_make:  # the first stage from nothing: each size enters the level anew
                level, last = 1, length - 1
            spacing = _spacing(to_make, size, level, depth)
            first = last + spacing
            while known.find(0, first) < 0:  # the level is complete
                level, last = level + 1, 0  # from frame 0, should the stage have to be smaller
                spacing = _spacing(to_make, size, level, depth)
                first = known.find(0) - 1 + spacing
            latent = _missing(known, first, spacing, size)
            if size + known.count(1, latent[0], latent[-1]) + 2 <= window:
                break
        stage = (_selecting if adaptive else _surrounded)(known, latent, window - size)
        yield replace(stage, phase=min(level, depth))
        mark(known, latent)
        last = latent[-1]


@family("hierarchy-([0-9]{1,3})", "hierarchy-2", "hierarchy-3", "hierarchy-4", "hierarchy-5")
def hierarchy(depth: str) -> Strategy:
    """`hierarchical` with that many levels. Raises `InputError` for less than 2 or more than 20."""
    if depth not in map(str, range(2, 21)):
        raise InputError(f"hierarchy-{depth}: the depth is {depth}, must be 2 to 20")
    stages = partial(hierarchical, int(depth))
    return Strategy(stages, adaptive=partial(stages, adaptive=True))


def _spacing(to_make: int, size: int, level: int, depth: int) -> int:
    """The distance of a stage's frames: at level 1 that of `size` frames over all to make, at the last 1."""
    return max(1, int((to_make / max(1, size - 1)) ** ((depth - level) / (depth - 1))))


def _missing(known: bytearray, first: int, spacing: int, count: int) -> tuple[int, ...]:
    """At most `count` unknown frames from `first` on, each `spacing` or more after the one before."""
    frames: list[int] = []
    while len(frames) < count and (frame := known.find(0, first)) >= 0:
        frames.append(frame)
        first = frame + spacing
    return tuple(frames)


def _surrounded(known: bytearray, latent: tuple[int, ...], places: int) -> Stage:
    """A stage that observes `places` known frames: all between the latent ones, then for half of the places left the
    nearest after them, then the nearest before them."""
    between = [frame for frame in range(latent[0], latent[-1]) if known[frame]]
    frame = latent[-1]
    after: list[int] = []
    while len(after) < (places - len(between)) // 2 and (frame := known.find(1, frame + 1)) >= 0:
        after.append(frame)
    frame = latent[0]
    before: list[int] = []
    while len(before) < places - len(between) - len(after) and (frame := known.rfind(1, 0, frame)) >= 0:
        before.append(frame)
    return Stage((*between, *after, *before), latent)


def _selecting(known: bytearray, latent: tuple[int, ...], places: int) -> Stage:
    """A stage that observes as many known frames as there are `places`, most of them selected at run time."""
    observed = nearest(known, latent, 2, places)
    return Stage(observed, latent, min(places, known.count(1)) - len(observed))


def evenly_spaced(low: float, high: float, count: int) -> tuple[int, ...]:
    """`count` frames from `low` to `high`, rounded down as `numpy.linspace` would be; none is repeated."""
    if count == 1:
        return (int(low),)
    step = (high - low) / (count - 1)
    return distinct([*(int(low + i * step) for i in range(count - 1)), int(high)])
