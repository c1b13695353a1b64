"""Strategies of two phases: every fourth (or second) frame of the video first, then the gaps between these.

They are those of Ho et al. 2022, "Video Diffusion Models", arXiv 2204.03458, as Harvey et al. compare with
them. The frames of the first phase count from the last given one, so that the two meet. Where nothing is given, a first
window has neighbouring frames, as those of the second phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from viddiff.errors import PlanError
from viddiff.inference.plan import Stage
from viddiff.inference.strategies import check_option, from_nothing, newest, steps, strategy

neighbours_from_nothing = partial(from_nothing, phase=2)


@strategy("google")
def google(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Every fourth frame, 8 in a window of 16, then two gaps at a time in a window of 9; no other parameter.

    Smaller windows hold proportionally less; `step_size` has no effect. Raises `PlanError` if `max_frames` is
    below 5 and the video is more than one window.
    """
    return _google(length, n_obs, min(window, 16), step_size)


@neighbours_from_nothing
def _google(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    _check_window(window, 5, "google makes 3 frames between 2")
    yield from _coarse(length, n_obs, 4, window, window // 2)
    gaps = 2 if window >= 9 else 1
    for stage in _filling(length, n_obs, 4, gaps):
        first = stage.observed[0]
        missing = gaps * 4 + 1 - len(stage.observed) - len(stage.latent)  # where the video ends in the window
        yield replace(stage, observed=stage.observed + newest(missing, first)[::-1])


@strategy("like-google")
def like_google(length: int, n_obs: int, window: int, step_size: int, *, skip: int = 4) -> Iterator[Stage]:
    """Every fourth frame, `step_size` per stage, then as many gaps at a time as fit a window with a place left.

    skip: the distance of the first frames, 2 or more, if not 4. Raises `PlanError` if `max_frames` is not
    larger and the video is more than one window.
    """
    check_option("skip", skip, isinstance(skip, int) and skip >= 2, "a whole number, 2 or more")
    return _like_google(length, n_obs, window, step_size, skip=skip)


@neighbours_from_nothing
def _like_google(length: int, n_obs: int, window: int, step_size: int, *, skip: int) -> Iterator[Stage]:
    _check_window(window, skip + 1, f"like-google makes {skip - 1} frames between 2")
    yield from _coarse(length, n_obs, skip, window, step_size)
    yield from _filling(length, n_obs, skip, max(1, (window - 2) // skip))


@strategy("ho-et-al-for-vis")
@from_nothing
def nine_frames(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """9 neighbouring frames at a time: the newest known one is observed, 8 are made.

    Smaller windows hold less; `step_size` has no effect. A stage that the end of the video cuts short observes
    more frames before it. Raises `PlanError` if `max_frames` is 1 and the video is more than one frame.
    """
    _check_window(window, 2, "ho-et-al-for-vis observes a frame and makes the next")
    size = min(9, window)
    for latent in steps(n_obs, length, size - 1):
        yield Stage(newest(size - len(latent), latent[0])[::-1], latent)


@strategy("baby-cond-ho-et-al-for-vis")
def seven_frames(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    """Every second frame, 3 in a window of 7, then three gaps at a time, then the frames left at the end.

    Smaller windows hold less; `step_size` has no effect. Raises `PlanError` if `max_frames` is below 3 and the
    video is more than one window.
    """
    return _seven_frames(length, n_obs, min(window, 7), step_size)


@neighbours_from_nothing
def _seven_frames(length: int, n_obs: int, window: int, step_size: int) -> Iterator[Stage]:
    _check_window(window, 3, "baby-cond-ho-et-al-for-vis makes a frame between 2")
    size = (window - 1) // 2
    end = length - (length - n_obs) % (2 * size)  # the first two phases make whole windows
    yield from _coarse(end, n_obs, 2, window, size)
    yield from _filling(end, n_obs, 2, size)
    if end < length:
        yield Stage(newest(window - (length - end), end), tuple(range(end, length)), phase=2)


def _coarse(length: int, n_obs: int, skip: int, window: int, size: int) -> Iterator[Stage]:
    """Every `skip`-th frame after the last given one, `size` per stage, from as many such before as fit."""
    grid = range((n_obs - 1) % skip, length, skip)
    for latent in steps((n_obs - 1) // skip + 1, len(grid), size):
        observed = newest(window - len(latent), latent[0])
        yield Stage(tuple(grid[i] for i in observed), tuple(grid[i] for i in latent))


def _filling(length: int, n_obs: int, skip: int, gaps: int) -> Iterator[Stage]:
    """The frames between every `skip`-th one, `gaps` gaps per stage, from the frames around them."""
    for start in range(n_obs - 1, length - 1, skip * gaps):
        frames = range(start, min(start + skip * gaps + 1, length))
        yield Stage(
            tuple(frames[::skip]), tuple(frame for frame in frames if (frame - start) % skip), phase=2
        )


def _check_window(window: int, least: int, reason: str) -> None:
    if window < least:
        raise PlanError(f"max_frames is {window}, must be {least} or more: {reason}")
