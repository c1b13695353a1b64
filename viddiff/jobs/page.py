"""From evaluation directories to a page: the videos and pictures that it shows, then the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from PIL import Image

from viddiff.errors import unreadable
from viddiff.files.write import atomic_path
from viddiff.inference.modes import true_frames
from viddiff.jobs.job import OpenVideos
from viddiff.jobs.measurement import true_video, true_videos
from viddiff.render.mp4 import write_mp4
from viddiff.render.pages import FPS
from viddiff.render.thumbnail import write_thumbnail
from viddiff.report.page.build import Shown, ShownGroup, Videos, build_page, names_of
from viddiff.report.page.content import Clip, Picture, TestVideo, Training
from viddiff.report.page.folder import MEDIA, write_page
from viddiff.tree.paths import CHECKPOINTS, Evaluation
from viddiff.tree.samples import open_sample


@dataclass(frozen=True)
class GroupFiles:
    """Evaluations that complete the same videos with the same checkpoint, and the records of baselines.

    videos: how many the page shows.
    """

    title: str
    shown: Sequence[Shown]
    baselines: Sequence[Path]
    videos: int

    @property
    def evaluations(self) -> list[Evaluation]:
        """All of them."""
        return [one.evaluation for one in self.shown]


def make_page(
    index: Path, title: str, groups: Sequence[GroupFiles], pairs: Path, open_videos: OpenVideos
) -> None:
    """Make the page `index` with all that it needs in its folder. The animations of the samples are there, as MP4.

    pairs: the table of tests of pairs. Raises `InputError` naming what is missing or cannot be read.
    """
    shown = [
        ShownGroup(
            group.title, group.shown, group.baselines, _videos(index.parent, number, group, open_videos)
        )
        for number, group in enumerate(groups)
    ]
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    pictures = {
        evaluation: _plan(index.parent, number, evaluation)
        for number, evaluation in enumerate(dict.fromkeys(evaluations))
    }
    runs = dict.fromkeys(run for evaluation in evaluations for run in evaluation.runs)
    write_page(index, *build_page(title, shown, pictures, _trainings(index.parent, runs), pairs))


def _videos(folder: Path, number: int, group: GroupFiles, open_videos: OpenVideos) -> Videos:
    """Put the videos of a group and their thumbnails into the folder."""
    truth = true_videos(group.evaluations[0], open_videos)
    (names,) = names_of([group.evaluations])
    size, videos = (0, 0), []
    for video in range(group.videos):
        samples = [open_sample(evaluation.sample(video, 0)) for evaluation in group.evaluations]
        length = len(samples[0])
        true = [set(true_frames(evaluation.mode, length)) for evaluation in group.evaluations]
        shown = (group.evaluations[0].mode.given("obs_length") + length) // 2
        clips = []
        frames = [true_video(truth, video, length), *samples]
        for place, (name, clip, observed) in enumerate(
            zip([None, *names], frames, [set.union(*true), *true], strict=True)
        ):
            stem = str(MEDIA / str(number) / f"{video:04d}-{place:02d}")
            flags = [frame in observed for frame in range(length)]
            size = write_thumbnail(folder / f"{stem}.jpg", clip, flags, shown)
            if name is None:
                write_mp4(folder / f"{stem}.mp4", clip, flags)
            else:
                _copy(group.evaluations[place - 1].animation(video, 0, "mp4"), folder / f"{stem}.mp4")
            clips.append(Clip(name, f"{stem}.mp4", f"{stem}.jpg", _spans(observed)))
        videos.append(TestVideo(video, clips, length, shown))
    return Videos(videos, FPS, *size)


def _plan(folder: Path, number: int, evaluation: Evaluation) -> Picture:
    """Put the picture of an evaluation's plan into the folder."""
    alt = f"Plan of {evaluation.mode}: for each stage, from the first to the last, the frames it observes and makes"
    return _picture(folder, str(MEDIA / f"plan-{number:02d}.png"), evaluation.directory / "plan.png", alt)


def _picture(folder: Path, file: str, source: Path, alt: str) -> Picture:
    """Put a picture into the folder."""
    _copy(source, folder / file)
    with Image.open(folder / file) as image:
        width, height = image.size
    return Picture(file, width, height, alt)


def _trainings(folder: Path, runs: Iterable[str]) -> list[Training]:
    """Put the curves of the runs that have some into the folder."""
    trainings: list[Training] = []
    for run in runs:
        if (curves := Path(CHECKPOINTS, run, "curves.png")).is_file():
            file = str(MEDIA / f"training-{len(trainings):02d}.png")
            alt = f"Curves of the training of {run}: losses, gradients, speed, and figures of completed test videos"
            trainings.append(Training(run, _picture(folder, file, curves, alt)))
    return trainings


def _copy(source: Path, target: Path) -> None:
    try:
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    except OSError as error:
        raise unreadable(source, error) from error


def _spans(frames: set[int]) -> list[tuple[int, int]]:
    """The first and the last of frames that follow each other."""
    numbered = enumerate(sorted(frames))
    spans = [[frame for _, frame in span] for _, span in groupby(numbered, lambda pair: pair[1] - pair[0])]
    return [(span[0], span[-1]) for span in spans]
