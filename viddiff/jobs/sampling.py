"""Samples of one evaluation directory: from a checkpoint and test videos to files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from viddiff.call_size import CallSize
from viddiff.completion import Completion
from viddiff.data.base import VideoDataset
from viddiff.device import device_name
from viddiff.errors import InputError
from viddiff.files.background import Background
from viddiff.files.npy import is_whole
from viddiff.files.write import save_npy_parts, write_text
from viddiff.inference.complete import MadeStage
from viddiff.inference.cost import stage_evaluations
from viddiff.inference.modes import frames_needed
from viddiff.inference.plan import Plan, Stage
from viddiff.jobs.job import Job
from viddiff.jobs.prepare import check_videos, prepare
from viddiff.precision import PRECISIONS, lack_of, tell_precision
from viddiff.tree.fingerprint import NAME, claim, numerics_of
from viddiff.tree.partial import KeptStages, Partial
from viddiff.tree.schedules import schedule_file
from viddiff.tree.timing import Timing, record_timing

log = logging.getLogger(__name__)


def sample_videos(
    job: Job,
    checkpoint: Path,
    videos: Sequence[int],
    sample: int,
    *,
    second: Path | None = None,
    batch_size: int | None = None,
    alexnet: Path | None = None,
    guidance_weight: float = 1.0,
    guidance_shifts: str = "estimate",
    precision: str = "auto",
    compiled: bool = False,
) -> list[Path]:
    """Complete test videos and write `evaluation.sample(video, sample)`; files that exist stay as they are.

    second: the file of the mode's second checkpoint, if it has one.
    batch_size: videos completed at once, and the most windows of a network call; `None`: as many as fit. Where memory
        runs out, calls are halved. It does not change the samples, on a GPU not beyond rounding
        (`viddiff.precision.rows_per_call`).
    alexnet, guidance_weight, guidance_shifts: as in `VideoModel.completion`.
    precision: of the network, see `viddiff.precision`; with `auto` a directory that has samples keeps theirs.
    compiled: whether the network is, see `viddiff.model.compiled`.

    Progress counts stages over all batches. Each stage is kept while the next is made, see `viddiff.tree.partial`: a
    call that was killed goes on from there, and makes the same samples. Where frames are selected at run time, the
    plan as it was executed is written beside each sample. How long it took is recorded in the directory, see
    `viddiff.tree.timing`.

    Returns the files made. Raises `InputError` before any work if checkpoint, mode or videos do not fit, or if
    the directory holds results of another checkpoint, mode or sampler.
    """
    evaluation = job.evaluation
    missing = [video for video in videos if not is_whole(evaluation.sample(video, sample))]
    if not missing:
        return []
    prepared = prepare(job, checkpoint, second=second, precision=precision, compiled=compiled)
    model, dataset = prepared.model, prepared.dataset
    completion = model.completion(
        evaluation.mode,
        second=prepared.second,
        schedule=schedule_file(evaluation),
        alexnet=alexnet,
        guidance_weight=guidance_weight,
        guidance_shifts=guidance_shifts,
    )
    plan = completion.plan
    check_videos(dataset, missing, frames_needed(plan.true_frames))
    facts = prepared.fingerprint(plan, completion.conditioning)
    facts = claim(evaluation.directory, facts, ["precision"] if precision == "auto" else [])
    completion = in_precision(completion, str(facts.get("precision")), evaluation.directory)

    calls = completion.call_size(batch_size)
    at_once = completion.videos_at_once(calls, batch_size)
    batches = [missing[i : i + at_once] for i in range(0, len(missing), at_once)]
    total = len(batches) * len(plan.stages)
    evaluated, seconds = 0, 0.0
    name = f"samples_{missing[0]:04d}-{sample}"
    with job.recorded(name, second) as made, Background(calls.most) as background:
        for number, batch in enumerate(batches):
            progress = partial(_progress, job, number * len(plan.stages), total)
            work = _Batch(job, completion, batch, sample, facts, background, made)
            done = work.sample(dataset, calls, progress)
            evaluated, seconds = evaluated + done[0], seconds + done[1]
    if evaluated:
        numerics = numerics_of(evaluation.directory)
        timing = Timing(
            device_name(job.device) + ("" if numerics == "float32" else f", {numerics}"),
            evaluated,
            seconds,
            evaluation.mode.given("max_frames"),
            model.config["image_size"],
        )
        record_timing(evaluation, missing[0], sample, timing)
    return made


def in_precision(completion: Completion, held: str, directory: Path) -> Completion:
    """In the precision of a directory's other samples. Raises `InputError` if the model's device cannot have it."""
    model = completion.model
    if held == model.precision:
        return completion
    known = PRECISIONS[1:]
    if held not in known:
        raise InputError(f"{directory / NAME}: precision is {held!r:.60}, must be one of {', '.join(known)}")
    if reason := lack_of(held, model.device):
        raise InputError(
            f"{directory} holds samples in {held}, but {reason}: run this where it is to be had, or remove the folder "
            "to sample it anew"
        )
    log.info("precision: %s, as that of the samples in %s", held, directory)
    tell_precision(held, held, model.device)
    second = completion.second
    return replace(
        completion,
        model=replace(model, precision=held),
        second=second and replace(second, model=replace(second.model, precision=held)),
    )


def _progress(job: Job, before: int, total: int, stages: int) -> None:
    job.progress(before + stages, total)


@dataclass(frozen=True)
class _Batch:
    """Videos that are completed at once. background: writes what is made; made: gets the samples that are written."""

    job: Job
    completion: Completion
    videos: Sequence[int]
    number: int
    facts: dict[str, Any]
    background: Background
    made: list[Path]

    def sample(
        self, dataset: VideoDataset, calls: CallSize, progress: Callable[[int], None]
    ) -> tuple[int, float]:
        """Complete the videos. Returns the network evaluations, one window each, and the seconds."""
        plan = self.completion.plan
        needed = frames_needed(plan.true_frames)
        given = torch.stack([torch.as_tensor(dataset.video(video, needed)) for video in self.videos])
        kept = [Partial(self.job.evaluation.partial(video, self.number), self.facts) for video in self.videos]
        finished = FinishedStages(kept, plan, given.shape[2:])
        if finished:
            log.info("%d stages were finished before", len(finished))

        def keep(row: int, stage: int, made: MadeStage) -> None:
            self.background.do(partial(kept[row].keep, stage, stage_record(made)))

        start = time.perf_counter()
        completed = self.completion.run(
            given,
            self.videos,
            self.number,
            calls=calls,
            folder=self.job.evaluation.partial(self.videos[0], self.number).parent,
            finished=finished,
            keep=keep,
            progress=progress,
        )
        seconds = time.perf_counter() - start
        shape = (plan.length, *given.shape[2:])
        for video, frames, executed, stages in zip(
            self.videos, completed.videos, completed.plans, kept, strict=True
        ):
            self.background.do(partial(self._write, video, shape, frames, executed, stages))
        model, treatment = self.completion.model, self.completion.conditioning.treatment
        each = stage_evaluations(plan, model.diffusion.n_steps, model.sampler, treatment)
        return len(self.videos) * sum(each) - sum(each[stage] for _, stage in finished), seconds

    def _write(
        self,
        video: int,
        shape: Sequence[int],
        frames: Iterable[UInt8[np.ndarray, "n C H W"]],
        executed: Plan,
        stages: Partial,
    ) -> None:
        evaluation = self.job.evaluation
        if self.completion.embed:
            write_text(evaluation.executed_plan(video, self.number), executed.to_json())
        path = evaluation.sample(video, self.number)
        if not is_whole(path):  # a job that the cluster gave up may have gone on and made it
            save_npy_parts(path, shape, np.dtype(np.uint8), frames)
        self.made.append(path)
        stages.discard()


class FinishedStages(Mapping[tuple[int, int], MadeStage]):
    """The stages that earlier jobs finished, by row and stage, each read when it is asked for.

    frame_shape: [C, H, W].
    """

    def __init__(self, kept: Sequence[Partial], plan: Plan, frame_shape: Sequence[int]) -> None:
        dtypes = {number: stage_dtype(stage, frame_shape) for number, stage in enumerate(plan.stages)}
        self._rows: list[KeptStages] = [stages.kept(dtypes) for stages in kept]

    def __getitem__(self, key: tuple[int, int]) -> MadeStage:
        row, stage = key
        record = self._rows[row][stage]
        return MadeStage(tuple(record["observed"].tolist()), torch.from_numpy(record["frames"]))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((row, stage) for row, stages in enumerate(self._rows) for stage in stages)

    def __len__(self) -> int:
        return sum(map(len, self._rows))


def stage_dtype(stage: Stage, frame_shape: Sequence[int]) -> np.dtype:
    """The record of a finished stage: the frames that it observed, and those that it made or moved in float32."""
    n_observed = len(stage.observed) + stage.n_select
    return np.dtype([("observed", "<i4", (n_observed,)), ("frames", "<f4", (len(stage.moved), *frame_shape))])


def stage_record(made: MadeStage) -> np.ndarray:
    """A finished stage as `stage_dtype` says."""
    frames = made.frames.cpu().numpy()
    dtype = [("observed", "<i4", (len(made.observed),)), ("frames", "<f4", frames.shape)]
    record = np.empty((), dtype)
    record["observed"], record["frames"] = made.observed, frames
    return record
