"""The original's rules by which it chooses the frames of each stage, faults included: the reference for plans.

`original_stages` goes on until the video is complete, or stops with some error where the original does. It knows
nothing of windows: whether what it yields can be executed is for `Plan.check` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count

import numpy as np

Frames = list[int]
Select = Callable[[Frames, Frames, int], Frames]  # from all known frames, those kept beforehand, how many


class Original:
    """What the original's rules keep from stage to stage."""

    def __init__(self, length: int, n_obs: int, window: int, step_size: int, select: Select) -> None:
        self.length, self.window, self.step_size, self.select = length, window, step_size, select
        self.given = list(range(n_obs))  # what counts as such: a first window from nothing, too
        self.known = set(self.given)
        self.level, self.last = 0, 0  # of hierarchies: the latter is the newest frame

    @property
    def places(self) -> int:
        return self.window - self.step_size

    def missing(self, start: int = 0) -> Frames:
        return [frame for frame in range(start, self.length) if frame not in self.known]

    def next_frames(self, size: int) -> Frames:
        first = max(self.known) + 1
        return list(range(first, min(first + size, self.length)))


def original_stages(
    mode: str, length: int, n_obs: int, window: int, step_size: int, select: Select = lambda *_: []
) -> Iterator[tuple[Frames, Frames]]:
    """The observed and latent frames of each stage. select: what adaptive modes observe."""
    video = Original(length, n_obs, window, step_size, select)
    name, _, depth = mode.partition("hierarchy-")
    rule = RULES.get(mode) or {"": hierarchy, "adaptive-": adaptive_hierarchy}[name]
    if mode == "goal-directed-autoreg":
        goals = list(range(length - 1, length - 6, -1))
        video.given += goals
        video.known.update(goals)
    if mode == "goal-directed-mixed":
        video.given.append(length - 1)
        video.known.add(length - 1)
    if n_obs == 0:
        start = [int(i) for i in np.linspace(0, length - 1, window)] if depth else list(range(window))
        video.level, video.last = 1, length - 1
        yield [], start
        video.given = start
        assert max(start) < length
        video.known.update(start)
    for number in count():
        if len(video.known) >= length:
            return
        observed, latent = rule(video, *([int(depth)] if depth else []))
        assert number < 3 * length, "does not end"
        assert set(observed) <= video.known and max(latent) < length
        video.known.update(latent)
        yield observed, latent


def autoregressive(video: Original) -> tuple[Frames, Frames]:
    observed = sorted(video.known)[-video.places :]
    return observed, list(range(observed[-1] + 1, min(observed[-1] + 1 + video.step_size, video.length)))


def independent(video: Original) -> tuple[Frames, Frames]:
    return sorted(video.given)[-video.places :], video.next_frames(video.step_size)


def really_independent(video: Original) -> tuple[Frames, Frames]:
    return [], video.next_frames(video.window)


def exponential_past(video: Original) -> tuple[Frames, Frames]:
    first = max(video.known) + 1
    observed = [first - 2**i for i in range(int(np.log2(first)))]
    for frame in range(first - 1, -1, -1):
        if len(observed) + video.step_size >= video.window:
            break
        observed += [] if frame in observed else [frame]
    return observed, list(range(first, first + video.step_size))


def mixed(video: Original, first: int | None = None) -> tuple[Frames, Frames]:
    observed = set(sorted(video.known)[-(video.places // 2) :])
    for frame in sorted(video.given, reverse=True):
        observed.add(frame)
        if len(observed) == video.places:
            break
    first = max(video.known) + 1 if first is None else first
    return sorted(observed), list(range(first, min(first + video.step_size, video.length)))


def goal_directed_mixed(video: Original) -> tuple[Frames, Frames]:
    return mixed(video, sorted(video.known)[-2] + 1)


def goal_directed_autoregressive(video: Original) -> tuple[Frames, Frames]:
    first = video.missing()[0]
    latent = list(range(first, min(first + video.step_size, video.length - 1)))
    return sorted(video.known)[-video.places :], latent


def hierarchical_latent(video: Original, depth: int) -> tuple[int, Frames, Frames]:
    """The size of the stage, its latent frames, and the known ones between them."""
    for size in range(video.step_size, 0, -1):
        if len(video.known) == len(video.given):
            video.level, video.last = 1, max(video.given)
        to_make = video.length - len(video.given)

        def spacing(to_make: int = to_make, size: int = size) -> int:
            return int((to_make / (size - 1)) ** ((depth - video.level) / (depth - 1)))

        first = video.last + spacing()
        if not video.missing(first):
            video.level, video.last = video.level + 1, 0
            first = video.missing()[0] - 1 + spacing()
        latent = []
        if video.level == 1:
            latent = [int(i) for i in np.linspace(max(video.given) + 1, video.length - 0.001, size)]
        while video.level > 1 and len(latent) < size and first < video.length:
            if first in video.known:
                first += 1
            else:
                latent.append(first)
                first += spacing()
        between = [frame for frame in range(min(latent), max(latent)) if frame in video.known]
        if len(between) + 2 <= video.window - size:
            return size, latent, between
    raise ValueError("no place on both sides")


def hierarchy(video: Original, depth: int) -> tuple[Frames, Frames]:
    size, latent, observed = hierarchical_latent(video, depth)
    places = video.window - size
    after = sorted(frame for frame in video.known if frame > max(latent))
    observed = observed + after[: (places - len(observed)) // 2]
    left = places - len(observed)
    if video.level == 1:
        observed += np.linspace(0, max(video.given) + 0.999, left).astype(int).tolist()
    else:
        observed += sorted((frame for frame in video.known if frame < min(latent)), reverse=True)[:left]
    video.last = max(latent)
    return observed, latent


def adaptive_hierarchy(video: Original, depth: int) -> tuple[Frames, Frames]:
    size, latent, kept = hierarchical_latent(video, depth)
    before = sorted((frame for frame in video.known if frame < min(latent)), reverse=True)
    assert len(before) > 1, "does not end"
    after = sorted(frame for frame in video.known if frame > max(latent))
    video.last = max(latent)
    return video.select(sorted(video.known), kept + before[:2] + after[:1], video.window - size), latent


def adaptive_autoregressive(video: Original) -> tuple[Frames, Frames]:
    newest_first = sorted(video.known, reverse=True)
    return video.select(newest_first, newest_first[:1], video.places), video.next_frames(video.step_size)


def nine_frames(video: Original) -> tuple[Frames, Frames]:
    start = next(frame for frame in range(64) if frame not in video.known)
    frames = range(start - 1, start + 8)
    observed = [frame for frame in frames if frame in video.known]
    latent = [frame for frame in frames if frame not in video.known]
    if 64 in latent:
        latent.remove(64)
        observed.append(55)
    return observed, latent


def like_google(video: Original) -> tuple[Frames, Frames]:
    grid = list(range((len(video.given) - 1) % 4, video.length, 4))
    latent = [frame for frame in grid if frame not in video.known][: video.step_size]
    if latent:
        return [frame for frame in grid if frame in video.known][-(video.window - len(latent)) :], latent
    observed = [video.missing()[0] - 1]
    while len(observed) + len(latent) + 4 < video.window and max(chain(observed, latent)) < video.length - 1:
        first = max(observed) + 1
        latent += range(first, min(first + 3, video.length))
        observed += [max(latent) + 1] if max(latent) + 1 < video.length else []
    return observed, latent


RULES: dict[str, Callable[[Original], tuple[Frames, Frames]]] = {
    "autoreg": autoregressive,
    "independent": independent,
    "really-independent": really_independent,
    "exp-past": exponential_past,
    "mixed-autoreg-independent": mixed,
    "ho-et-al-for-vis": nine_frames,
    "like-google": like_google,
    "goal-directed-autoreg": goal_directed_autoregressive,
    "goal-directed-mixed": goal_directed_mixed,
    "adaptive-autoreg": adaptive_autoregressive,
}


def farthest_first(embeddings: np.ndarray) -> Select:
    """What adaptive modes observe in a video `[T, D]`: those kept, then the farthest from all chosen, one by one."""

    def select(frames: Frames, kept: Frames, places: int) -> Frames:
        chosen = kept[:1]
        distance = np.full(len(frames), np.inf)
        for number in range(1, places):
            distance = np.minimum(distance, ((embeddings[frames] - embeddings[chosen[-1]]) ** 2).sum(1))
            chosen = [*chosen, kept[number] if number < len(kept) else frames[distance.argmax()]]
        return chosen

    return select
