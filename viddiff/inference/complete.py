"""The engine: executes a plan on a batch of videos.

It knows windows and noise, not how frames are made: for that it is handed a function. Stages that do not depend on
each other run together, in all videos of the batch; each has noise of its own, so the order does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from viddiff.call_size import CallSize
from viddiff.inference.plan import Plan, waves
from viddiff.inference.select import Embed, Selector, with_choices
from viddiff.seeds import SampleIdentity, row_noise, stage_generator
from viddiff.window import Noise, Window, WindowFrames

# Makes the latent frames of a window; what it returns for observed frames is not used.
SampleWindow = Callable[[Window, Noise], WindowFrames]


class Completed(NamedTuple):
    """Completed videos in [-1, 1], and the plan of each as it was executed."""

    frames: Float[Tensor, "B T C H W"]
    plans: tuple[Plan, ...]


class MadeStage(NamedTuple):
    """A finished stage of one video: which frames it observed, and its latent frames in [-1, 1]."""

    observed: tuple[int, ...]
    frames: Float[Tensor, "L C H W"]


class _Task(NamedTuple):
    """One stage of one video."""

    row: int
    stage: int
    observed: tuple[int, ...]
    latent: tuple[int, ...]


def complete(
    plan: Plan,
    videos: Float[Tensor, "B T C H W"],
    identities: Sequence[SampleIdentity],
    sample: SampleWindow,
    *,
    windows_per_call: int | CallSize | None = None,
    embed: Embed | None = None,
    finished: Mapping[tuple[int, int], MadeStage] = MappingProxyType({}),
    keep: Callable[[int, int, MadeStage], None] = lambda row, stage, made: None,
    progress: Callable[[int], None] = lambda stages_done: None,
) -> Completed:
    """Complete videos in [-1, 1]; their `plan.true_frames` are observed and kept, others are not read.

    identities: all that each video's noise depends on, so that it comes out the same in any batch.
    windows_per_call: the most windows that `sample` is given at once; `None`: one of each video. Where memory runs
        out it is halved, and the call made again. It changes nothing beyond rounding.
    embed: by what plans that select frames at run time do so; others need none.
    finished: stages that an earlier call handed to `keep`, by row of the batch and number of the stage. They are not
        made again, and the result is the same.
    keep: called with row, number and frames of every stage as soon as it is made.
    progress: called with the number of stages done whenever it has grown.
    """
    frames = torch.zeros_like(videos)
    true_frames = list(plan.true_frames)
    frames[:, true_frames] = videos[:, true_frames]
    last_choice = max((n for n, stage in enumerate(plan.stages) if stage.n_select), default=-1)
    selector = Selector(plan, embed) if embed and last_choice >= 0 else None
    if selector and true_frames:
        selector.see(frames, true_frames)
    chosen: list[dict[int, tuple[int, ...]]] = [{} for _ in videos]
    calls = CallSize.of(windows_per_call or len(videos))
    done = 0
    for wave in waves(plan):
        tasks = []
        for number in wave:
            stage = plan.stages[number]
            observed = [stage.observed] * len(videos)
            if stage.n_select:
                if selector is None:
                    raise ValueError("a plan that selects frames at run time needs embed")
                observed = selector.choose(number)
            for row, frames_observed in enumerate(observed):
                if made := finished.get((row, number)):
                    frames[row, list(stage.latent)] = made.frames.to(frames)
                    frames_observed = made.observed
                else:
                    tasks.append(_Task(row, number, frames_observed, stage.latent))
                if stage.n_select:
                    chosen[row][number] = frames_observed
        for call in _made(tasks, calls, lambda call: _run(call, frames, identities, sample)):
            for task in call:
                keep(task.row, task.stage, MadeStage(task.observed, frames[task.row, list(task.latent)]))
        if selector and wave[0] < last_choice:
            selector.see(frames, sorted({frame for number in wave for frame in plan.stages[number].latent}))
        done += len(wave)
        progress(done)
    return Completed(frames, tuple(with_choices(plan, choices) for choices in chosen))


def _made(
    tasks: Sequence[_Task], calls: CallSize, run: Callable[[Sequence[_Task]], None]
) -> Iterator[Sequence[_Task]]:
    """Run the tasks and yield those of each call: only such whose windows have the same number of frames."""
    by_size = defaultdict(list)
    for task in tasks:
        by_size[len(task.observed) + len(task.latent)].append(task)

    def run_first(left: Sequence[_Task], most: int) -> Sequence[_Task]:
        run(left[:most])
        return left[:most]

    for left in by_size.values():
        while left:
            made = calls.run(len(left), partial(run_first, left))
            yield made
            left = left[len(made) :]


def _run(
    tasks: Sequence[_Task],
    frames: Float[Tensor, "B T C H W"],
    identities: Sequence[SampleIdentity],
    sample: SampleWindow,
) -> None:
    """Make the latent frames of the tasks, in one window each, and put them into `frames`."""
    rows = torch.tensor([[task.row] for task in tasks], device=frames.device)
    index = torch.tensor([[*task.observed, *task.latent] for task in tasks], device=frames.device)
    n_observed = torch.tensor([[len(task.observed)] for task in tasks], device=frames.device)
    latent = torch.arange(index.shape[1], device=frames.device) >= n_observed
    window = Window(frames[rows, index], index, ~latent, latent)
    generators = [stage_generator(identities[task.row], task.stage) for task in tasks]
    made = sample(window, row_noise(generators, window.frames.shape[1:], frames.device))
    frames[rows.expand_as(index)[latent], index[latent]] = made[latent]
