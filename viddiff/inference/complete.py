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
from viddiff.inference.frames_in_file import FramesInFile
from viddiff.inference.plan import Plan, Stage, waves
from viddiff.inference.select import Embed, Selector, with_choices
from viddiff.seeds import SampleIdentity, frame_noise, row_noise, stage_generator
from viddiff.window import Noise, StepNoise, Walk, Window, WindowFrames

Frames = Float[Tensor, "B T C H W"] | FramesInFile
# Makes the latent frames of a window; what it returns for observed frames is not used.
SampleWindow = Callable[[Window, Noise], WindowFrames]
# Takes the latent frames of a window, which are noisy, to the levels where they are to end.
AdvanceWindow = Callable[[Window, Walk, StepNoise], WindowFrames]


class SecondModel(NamedTuple):
    """What makes the stages of a plan's second checkpoint, and what their noise depends on."""

    identities: Sequence[SampleIdentity]
    sample: SampleWindow


class Completed(NamedTuple):
    """Completed videos in [-1, 1], and the plan of each as it was executed."""

    frames: Frames
    plans: tuple[Plan, ...]


class MadeStage(NamedTuple):
    """A finished stage of one video: which frames it observed, and its latent frames in [-1, 1].

    Of a step, those that it moved, as noisy as they are by then.
    """

    observed: tuple[int, ...]
    frames: Float[Tensor, "L C H W"]


class _Task(NamedTuple):
    """One stage of one video: what it observes, and the stage as planned."""

    row: int
    number: int
    observed: tuple[int, ...]
    stage: Stage


def complete(
    plan: Plan,
    videos: Float[Tensor, "B given C H W"],
    identities: Sequence[SampleIdentity],
    sample: SampleWindow,
    *,
    advance: AdvanceWindow | None = None,
    second: SecondModel | None = None,
    windows_per_call: int | CallSize | None = None,
    embed: Embed | None = None,
    store: FramesInFile | None = None,
    finished: Mapping[tuple[int, int], MadeStage] = MappingProxyType({}),
    keep: Callable[[int, int, MadeStage], None] = lambda row, stage, made: None,
    progress: Callable[[int], None] = lambda stages_done: None,
) -> Completed:
    """Complete videos in [-1, 1]; their `plan.true_frames` are observed and kept, others need not be there.

    identities: all that each video's noise depends on, so that it comes out the same in any batch.
    advance: what executes steps; plans without any do not need it.
    second: what executes the stages of a second checkpoint; plans without one do not need it.
    windows_per_call: the most windows that `sample` is given at once; `None`: one of each video. Where memory runs
        out it is halved, and the call made again. It changes nothing beyond rounding.
    embed: by what plans that select frames at run time do so; others need none.
    store: where the frames lie while they are made; `None`: in memory.
    finished: stages that an earlier call handed to `keep`, by row of the batch and number of the stage. They are not
        made again, and the result is the same.
    keep: called with row, number and frames of every stage as soon as it is made.
    progress: called with the number of stages done whenever it has grown.
    """
    frames: Frames = store or videos.new_zeros((len(videos), plan.length, *videos.shape[2:]))
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
                    frames[row, list(stage.moved)] = made.frames.to(frames.device)
                    frames_observed = made.observed
                else:
                    tasks.append(_Task(row, number, frames_observed, stage))
                if stage.n_select:
                    chosen[row][number] = frames_observed
        for call in _made(tasks, calls, lambda call: _run(call, frames, identities, sample, advance, second)):
            for task in call:
                made = MadeStage(task.observed, frames[task.row, list(task.stage.moved)])
                keep(task.row, task.number, made)
        if selector and wave[0] < last_choice:
            selector.see(frames, sorted({frame for number in wave for frame in plan.stages[number].moved}))
        done += len(wave)
        progress(done)
    return Completed(frames, tuple(with_choices(plan, choices) for choices in chosen))


def _made(
    tasks: Sequence[_Task], calls: CallSize, run: Callable[[Sequence[_Task]], None]
) -> Iterator[Sequence[_Task]]:
    """Run the tasks and yield those of each call: stages or steps of one model, in windows of equally many frames."""
    by_size = defaultdict(list)
    for task in tasks:
        stage = task.stage
        by_size[stage.second, stage.is_step, len(task.observed) + len(stage.latent)].append(task)

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
    frames: Frames,
    identities: Sequence[SampleIdentity],
    sample: SampleWindow,
    advance: AdvanceWindow | None,
    second: SecondModel | None,
) -> None:
    """Make the latent frames of the tasks, in one window each, and put them into `frames`."""
    if tasks[0].stage.second:
        if second is None:
            raise ValueError("a plan with a second checkpoint needs second")
        identities, sample = second
    rows = torch.tensor([[task.row] for task in tasks], device=frames.device)
    indices = [[*task.observed, *task.stage.latent] for task in tasks]
    index = torch.tensor(indices, device=frames.device)
    n_observed = torch.tensor([[len(task.observed)] for task in tasks], device=frames.device)
    latent = torch.arange(index.shape[1], device=frames.device) >= n_observed
    window = Window(frames[rows, index], index, ~latent, latent)
    if not tasks[0].stage.is_step:
        generators = [stage_generator(identities[task.row], task.number) for task in tasks]
        made = sample(window, row_noise(generators, window.frames.shape[1:], frames.device))
    elif advance is None:
        raise ValueError("a plan with steps needs advance")
    else:
        _begin(window, tasks, identities)
        made = advance(window, _walk(tasks), partial(_added_noise, tasks, identities, indices, window))
    moves = [[frame in task.stage.moved for frame in row] for task, row in zip(tasks, indices, strict=True)]
    moved = torch.tensor(moves, device=frames.device)
    frames[rows.expand_as(index)[moved], index[moved]] = made[moved]


def _begin(window: Window, tasks: Sequence[_Task], identities: Sequence[SampleIdentity]) -> None:
    """Put the noise that they begin as into latent frames that no step has moved."""
    for row, task in enumerate(tasks):
        stage = task.stage
        places = [place for place, start in enumerate(stage.starts) if start == stage.levels]
        if places:
            new = [stage.latent[place] for place in places]
            noise = frame_noise(identities[task.row], new, window.frames.shape[2:])
            window.frames[row, [len(task.observed) + place for place in places]] = noise.to(window.frames)


def _walk(tasks: Sequence[_Task]) -> Walk:
    def levels(task: _Task, of_latent: tuple[int, ...]) -> tuple[int, ...]:
        return (0,) * len(task.observed) + of_latent

    return Walk(
        tasks[0].stage.levels,
        [levels(task, task.stage.starts) for task in tasks],
        [levels(task, task.stage.ends) for task in tasks],
    )


def _added_noise(
    tasks: Sequence[_Task],
    identities: Sequence[SampleIdentity],
    indices: Sequence[Sequence[int]],
    window: Window,
    evaluation: int,
) -> WindowFrames:
    """What a sampler may add after an evaluation of a step."""
    drawn = [
        frame_noise(identities[task.row], row, window.frames.shape[2:], task.number, evaluation)
        for task, row in zip(tasks, indices, strict=True)
    ]
    return torch.stack(drawn).to(window.frames)
