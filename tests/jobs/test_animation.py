"""Animations of several videos of evaluations: which frames stand where, which are marked."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from viddiff.data.base import VideoDataset
from viddiff.data.ffmpeg import decode_all
from viddiff.errors import InputError
from viddiff.files.write import save_npy, write_json
from viddiff.jobs import animation as animation_module
from viddiff.jobs.animation import animate_modes, animate_samples
from viddiff.jobs.measurement import true_video
from viddiff.render.canvas import OBSERVED
from viddiff.render.mp4 import MOST_PIXELS
from viddiff.render.pages import BORDER, Clip, joined_rows
from viddiff.tree.paths import Evaluation

MODES = ("autoreg_8_2_12_3", "goal-directed-autoreg_8_2_12_3")
GOALS = range(7, 12)


class Videos(VideoDataset):
    """Video v has the value 100 v + 4 t in frame t."""

    examine = file = None
    image_size = 16

    def __init__(self): ...

    def __len__(self):
        return 2

    def length(self, index):
        return 14

    def frames(self, index, start, stop):
        values = 100 * index + 4 * np.arange(start, stop)
        return np.broadcast_to(values[:, None, None, None], (stop - start, 3, 16, 16)).astype(np.uint8)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two modes; sample s of video v has the true frames, but for 20 (1 + s) more where they are generated."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(animation_module, "BLOCK", 5)
    runs = [Evaluation.named("run", "ema_0.9999_000100", mode) for mode in MODES]
    for run in runs:
        write_json(run.directory / "model_config.json", {"dataset": "steps"})
        for video in range(2):
            true = Videos().video(video, 12)
            for sample in range(2):
                made = true.copy()
                made[3:] += np.uint8(20 * (1 + sample))
                save_npy(run.sample(video, sample), made[:, :1])
    return runs


def open_videos(name, split):
    return {("steps", "test"): Videos()}[name, split]


def shown(path: Path, board) -> tuple[np.ndarray, np.ndarray]:
    """Of each frame and each picture, row by row: its mean, and whether its border is the one of observed frames."""
    pages = np.stack([*decode_all(path, (64, 64))]).astype(int)
    means = [[page[rows, columns].mean() for rows, columns in board.places] for page in pages]
    edges = [
        [page[rows.start - BORDER // 2, columns].mean(0) for rows, columns in board.places] for page in pages
    ]
    return np.array(means), np.abs(np.array(edges) - OBSERVED).max(-1) < 12


@pytest.fixture
def boards(monkeypatch):
    """The boards that are written."""
    from viddiff.render import mp4

    boards, images = [], mp4._images
    monkeypatch.setattr(mp4, "_images", lambda board: boards.append(board) or images(board))
    return boards


def test_a_grid_has_a_row_for_each_video_and_the_truth_in_front(runs, boards):
    animate_samples("a.mp4", runs[0], range(2), range(2), open_videos)
    means, marked = shown(Path("a.mp4"), boards[0])
    times = np.arange(12)[:, None]
    more = np.array([0, 20, 40, 0, 20, 40]) * (times >= 3)
    assert np.abs(means - (np.array([0, 0, 0, 100, 100, 100]) + 4 * times + more)).max() < 3
    assert (marked == (times < 3)).all()
    labels = [clip.label for clip in boards[0].clips]
    assert labels == ["video 0: truth", "sample 0", "sample 1", "video 1: truth", "sample 0", "sample 1"]


def test_many_rows_share_some_so_that_the_page_fits():
    def rows(count: int, each: int, width: int = 16) -> list[list[Clip]]:
        frames = np.zeros((1, 1, 16, width), np.uint8)
        return [[Clip.of(frames, 1, "", f"{row}-{column}") for column in range(each)] for row in range(count)]

    few = rows(10, 2)
    assert joined_rows(few) == few
    cases = (
        (11, 2, 16, 4, 6),
        (100, 2, 16, 14, 15),
        (20, 6, 16, 12, 10),
        (14, 13, 16, 13, 14),
        (11, 8, 64, 8, 11),
    )
    for count, each, width, wide, high in cases:
        clips = rows(count, each, width)
        joined = joined_rows(clips)
        assert (len(joined[0]), len(joined)) == (wide, high)
        assert [clip.label for clip in chain(*joined)] == [clip.label for clip in chain(*clips)]


def test_a_hundred_videos_fit_into_a_grid(runs, boards, monkeypatch):
    monkeypatch.setattr(Evaluation, "sample", lambda self, video, sample: Path(first))
    first = runs[0].directory / "samples" / "sample_0000-0.npy"
    monkeypatch.setattr(Videos, "__len__", lambda self: 100)
    animate_samples("a.mp4", runs[0], range(100), [0], open_videos)
    assert len(boards[0].clips) == 200 and max(boards[0].shape) <= MOST_PIXELS


def test_modes_are_shown_in_step_each_with_its_own_goals(runs, boards):
    animate_modes("a.mp4", runs, 1, open_videos)
    means, marked = shown(Path("a.mp4"), boards[0])
    assert means.shape == (12, 3) and np.abs(means[:, 0] - 100 - 4 * np.arange(12)).max() < 3
    first, goals = np.arange(12) < 3, np.isin(np.arange(12), GOALS)
    assert (marked == np.stack([first | goals, first, first | goals], axis=1)).all()
    assert [clip.label for clip in boards[0].clips] == ["video 1: truth", *MODES]


def test_the_truth_is_black_once_it_has_ended(runs, boards, monkeypatch):
    monkeypatch.setattr(Videos, "length", lambda self, index: 9)
    animate_samples("grid.mp4", runs[0], [0], [0], open_videos)
    means, _ = shown(Path("grid.mp4"), boards[0])
    assert (
        len(means) == 12
        and (means[9:, 0] < 2).all()
        and (means[4:9, 0] > 10).all()
        and (means[9:, 1] > 40).all()
    )
    assert not true_video(Videos(), 0, 12)[9:].any()
    np.testing.assert_array_equal(true_video(Videos(), 0, 9), Videos().video(0, 9))


def test_samples_of_different_lengths_are_refused_in_one_line(runs):
    save_npy(runs[1].sample(0, 0), np.zeros((11, 1, 16, 16), np.uint8))
    with pytest.raises(InputError, match=rf"^{MODES[1]}: 11 frames of .* video 0: truth has 12 of "):
        animate_modes("a.mp4", runs, 0, open_videos)
