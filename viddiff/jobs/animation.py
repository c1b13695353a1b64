"""From evaluation directories to MP4s of several videos side by side: samples, the true videos, modes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat, zip_longest
from pathlib import Path

import numpy as np

from viddiff.data.base import VideoDataset
from viddiff.inference.modes import Mode, true_frames
from viddiff.jobs.job import OpenVideos
from viddiff.jobs.measurement import true_videos
from viddiff.render.mp4 import write_clips
from viddiff.render.pages import Clip, in_rows, joined_rows
from viddiff.tree.paths import Evaluation
from viddiff.tree.samples import open_sample

BLOCK = 256  # frames of a true video that are read at once


def animate_samples(
    path: Path | str,
    evaluation: Evaluation,
    videos: Sequence[int],
    samples: Sequence[int],
    open_videos: OpenVideos,
) -> None:
    """Write an MP4: for each test video the true video and these samples, in a row of their own if videos are few.

    Raises `InputError` if samples or true videos are missing or broken, or of different lengths; `OutputError`.
    """
    truth = true_videos(evaluation, open_videos)
    rows = []
    for video in videos:
        clips = [sample_clip(evaluation, video, sample, f"sample {sample}") for sample in samples]
        rows.append([_true_clip(truth, video, clips), *clips])
    write_clips(path, joined_rows(rows))


def animate_modes(
    path: Path | str, evaluations: Sequence[Evaluation], video: int, open_videos: OpenVideos
) -> None:
    """Write an MP4 of a true video and its first sample in each evaluation, which complete the same videos.

    Raises `InputError` as `animate_samples` does.
    """
    truth = true_videos(evaluations[0], open_videos)
    clips = [sample_clip(evaluation, video, 0, str(evaluation.mode)) for evaluation in evaluations]
    write_clips(path, in_rows([_true_clip(truth, video, clips), *clips]))


def sample_clip(evaluation: Evaluation, video: int, sample: int, label: str) -> Clip:
    """A sample, whose frames are read as they are drawn. Raises `InputError` if it is missing or broken."""
    path = evaluation.sample(video, sample)
    frames = open_sample(path)
    return Clip.of(frames, observed_frames(evaluation.mode, len(frames)), str(path), label)


def observed_frames(mode: Mode, length: int) -> list[bool]:
    """Which frames of a sample of `length` frames are those of the true video."""
    observed = frozenset(true_frames(mode, length))
    return [index in observed for index in range(length)]


def _true_clip(truth: VideoDataset, video: int, samples: Sequence[Clip]) -> Clip:
    """A true video as long as its samples, black once it has ended; frames are marked that any of these observes."""
    length = samples[0].length
    true = min(length, truth.length(video))
    ended = np.zeros((truth.channels, *truth.frame_size), np.uint8)
    observed = [any(flags) for flags in zip_longest(*(clip.observed for clip in samples))][:length]
    frames = chain(chain.from_iterable(truth.blocks(video, true, BLOCK)), repeat(ended, length - true))
    return Clip(frames, length, truth.frame_size, np.array(observed), f"video {video}: truth")
