"""MP4s: what browsers can play, every frame in its place, in bounded memory."""

from __future__ import annotations

import weakref
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from viddiff.data.ffmpeg import decode_all, read_index
from viddiff.errors import InputError, OutputError
from viddiff.render import mp4 as mp4_module
from viddiff.render import write_mp4
from viddiff.render.canvas import EMPTY, GENERATED, OBSERVED, as_rgb, enlarge
from viddiff.render.mp4 import write_clips
from viddiff.render.pages import BORDER, Clip, fitting_board, in_rows

NEAR = 12  # what H.264 may change of a value, of 255, where nothing is sharp


def ramp(length: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    """Smooth frames, each of another brightness; uint8 `[T, C, H, W]`."""
    y, x = np.mgrid[:height, :width]
    grey = 60 * (y / height + x / width) + 2.0 * np.arange(length)[:, None, None]
    tints = np.array([1.0, 0.7, 0.4])[:channels, None, None]
    return (grey[:, None] * tints).clip(0, 255).astype(np.uint8)


def read(path: Path) -> np.ndarray:
    return np.stack([*decode_all(path, (64, 64))]).astype(int)


def differences(pages: np.ndarray, frames: np.ndarray, scale: int, left: int = BORDER, top: int = BORDER):
    """Largest difference between the pictures at a place of the pages and the enlarged frames."""
    wanted = np.stack([enlarge(image, scale) for image in as_rgb(frames, "frames")]).astype(int)
    found = pages[:, top : top + wanted.shape[1], left : left + wanted.shape[2]]
    return np.abs(found - wanted)


@pytest.mark.parametrize(
    ("channels", "height", "width", "scale"), [(1, 32, 32, None), (3, 9, 21, 5), (3, 64, 48, 1), (1, 7, 5, 1)]
)
def test_each_frame_is_there_and_near(tmp_path, channels, height, width, scale):
    frames = ramp(23, height, width, channels)
    write_mp4(tmp_path / "a.mp4", frames, 4, scale=scale)
    pages = read(tmp_path / "a.mp4")
    assert len(pages) == 23 and not any(side % 2 for side in pages.shape[1:3])
    error = differences(pages, frames, scale or 128 // max(height, width))
    error = error[4:, 2:-2, 2:-2]  # four pixels share a colour, so that of the border reaches beyond it
    assert error.mean() < 2
    assert np.percentile(error, 99) <= NEAR


def test_browsers_can_play_it_and_go_to_each_frame(tmp_path):
    write_mp4(tmp_path / "a.mp4", ramp(45, 16, 16), 4, fps=12.5)
    facts = next(imageio_ffmpeg.read_frames(str(tmp_path / "a.mp4")))
    assert (facts["codec"], facts["fps"]) == ("h264", 12.5)
    assert facts["pix_fmt"].startswith("yuv420p(tv, bt709")
    index = read_index(tmp_path / "a.mp4", (16, 16))
    assert index.exact and np.allclose(index.seconds, np.arange(45) / 12.5)
    starts = [time * float(index.unit) * 12.5 for time in index.keys]
    assert np.allclose(starts, np.arange(0, 45, 10))  # nothing is shown before 0, nor far from a key frame
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"ftyp") < content.index(b"moov") < content.index(b"mdat")


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_mp4(tmp_path / name, ramp(12, 16, 16), 4)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_observed_frames_are_marked_and_a_bar_tells_where_it_is(tmp_path):
    observed = [True, False, False, True]
    write_mp4(tmp_path / "a.mp4", np.zeros((4, 1, 32, 32), np.uint8), observed)
    pages = read(tmp_path / "a.mp4")
    borders = pages[:, BORDER // 2, BORDER : BORDER + 128].mean(1)
    for border, marked in zip(borders, observed, strict=True):
        assert np.abs(border - (OBSERVED if marked else (255, 255, 255))).max() < NEAR
    bar = pages[:, 128 + 2 * BORDER + 3, BORDER + 16 : BORDER + 128 : 32]
    passed = [OBSERVED, GENERATED, GENERATED, OBSERVED]
    for index, row in enumerate(bar):
        wanted = [*passed[: index + 1], *[EMPTY] * (3 - index)]
        assert np.abs(row - wanted).max() < NEAR


def test_videos_side_by_side_are_in_step_each_with_its_label_and_marks(tmp_path):
    one, two = ramp(6, 16, 16), 255 - ramp(6, 16, 16)
    clips = [
        Clip.of(frames, observed, "x", label)
        for frames, observed, label in ((one, 2, "truth"), (two, 1, "mixed-autoreg-independent_10_3_60_10"))
    ]
    rows = [clips, clips[1:]]
    board = fitting_board(rows, 2)
    write_clips(tmp_path / "a.mp4", rows, scale=2)
    pages = read(tmp_path / "a.mp4")
    assert pages.shape[1:3] == tuple(side + side % 2 for side in board.shape)
    for (top, left), frames in zip(board.places, (one, two, two), strict=True):
        error = differences(pages, frames, 2, left.start, top.start)[2:, 2:-2, 2:-2]
        assert error.mean() < 2
        label = pages[0, top.start - BORDER - 32 : top.start - BORDER, left.start : left.start + 60]
        assert label.min() < 100  # a dark text
    marks = [
        [
            bool(np.abs(page[top.start - 2, left].mean(0) - OBSERVED).max() < NEAR)
            for top, left in board.places
        ]
        for page in pages
    ]
    assert marks == [[True] * 3, [True, False, False], *[[False] * 3] * 4]


def test_rows_hold_all_clips_in_order():
    for count in (1, 5, 6, 21):
        clips = [Clip.of(ramp(1, 2, 2), 0, "x") for _ in range(count)]
        rows = in_rows(clips)
        assert [clip for row in rows for clip in row] == clips
        assert len(rows) <= 5 and len(rows[0]) <= 5 and all(rows)


def test_a_long_video_takes_no_more_memory_than_a_short_one(tmp_path):
    """Of its frames no more are kept than are drawn."""
    alive, most = weakref.WeakSet(), []

    class Frame(np.ndarray):
        __hash__ = object.__hash__

    def frames():
        for _ in range(300):
            frame = np.zeros((1, 4, 4), np.uint8).view(Frame)
            alive.add(frame)
            most.append(len(alive))
            yield frame

    write_clips(tmp_path / "a.mp4", [[Clip(frames(), 300, (4, 4), np.arange(300) < 4)]], scale=1)
    assert len(read_index(tmp_path / "a.mp4", (4, 4))) == 300 and max(most) <= 3


@pytest.mark.parametrize(
    ("frames", "observed", "options", "message"),
    [
        (np.zeros((4, 1, 8, 8)), 1, {}, "float64"),
        (np.zeros((4, 1, 8, 8), np.uint8), 5, {}, "observed is 5"),
        (np.zeros((4, 1, 8, 8), np.uint8), 1, {"fps": 51}, "fps is 51"),
        (np.zeros((4, 1, 8, 8), np.uint8), 1, {"scale": 0}, "scale is 0"),
        (np.zeros((4, 1, 8, 8), np.uint8), 1, {"scale": 600}, r"4808 x 4830 pixels; allowed is 4096 a side$"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path, frames, observed, options, message):
    with pytest.raises(InputError, match=message):
        write_mp4(tmp_path / "a.mp4", frames, observed, **options)
    assert not list(tmp_path.iterdir())


def test_pictures_are_enlarged_less_where_many_stand_in_a_row(tmp_path):
    clips = [Clip.of(ramp(1, 32, 32), 0, "x") for _ in range(40)]
    write_clips(tmp_path / "a.mp4", [clips])
    assert read(tmp_path / "a.mp4").shape[2] == 40 * (2 * 32 + 2 * BORDER + 6) - 6


def test_videos_that_are_not_alike_are_refused(tmp_path):
    clips = [Clip.of(ramp(length, 8, 8), 0, "x", f"of {length}") for length in (4, 5)]
    with pytest.raises(InputError, match=r"^of 5: 5 frames of \[8, 8\]; of 4 has 4 of \[8, 8\]$"):
        write_clips(tmp_path / "a.mp4", [clips])


def test_a_failure_of_ffmpeg_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(mp4_module, "_CODEC", "-c:v no_such_codec")
    with pytest.raises(OutputError, match=r"^cannot write .*a\.mp4: .*no_such_codec") as caught:
        write_mp4(tmp_path / "a.mp4", ramp(100, 64, 64), 4)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())
