"""What is in a folder of videos is read, refused or named as ignored, never passed over in silence."""

from __future__ import annotations

import logging
from itertools import permutations

import numpy as np
import pytest
from PIL import Image

from viddiff.data import DatasetSettings, check_dataset, listing, open_dataset
from viddiff.data.base import by_number
from viddiff.data.listing import list_videos
from viddiff.errors import InputError

CLIPS = {"clips": DatasetSettings("video_folder", "clips", image_size=8)}
FRAMES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "clips/test"
    folder.mkdir(parents=True)
    return folder


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def pictures(folder, frames=FRAMES, suffix="png"):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"frame_{number}.{suffix}", quality=95)


def names(folder):
    found = list_videos(folder)
    assert not found.problems
    return [path.relative_to(folder).as_posix() for path in found.videos], found.ignored


@pytest.mark.parametrize("suffix", ["", *listing.ARCHIVES, *listing.PICTURES, ".txt"])
def test_what_lies_beside_video_files_is_named(folder, suffix):
    touch(folder, "b.mp4", "a.npy", f"0{suffix}", f"1{suffix}", ".hidden.mp4")
    videos, ignored = names(folder)
    assert videos == ["a.npy", "b.mp4"]
    assert len(ignored) == 1 and ignored[0].startswith(f"{folder / f'0{suffix}'} and 1 more: ignored, ")


def test_folders_beside_video_files_are_named(folder):
    touch(folder, "a.npy", "cats/b.npy", "dogs/c.npy")
    assert names(folder) == (["a.npy"], [f"{folder}/cats and 1 more: ignored, a folder beside a.npy"])


def test_folders_of_classes_and_of_pictures_are_read(folder):
    touch(
        folder,
        "cats/b.mp4",
        "cats/a.webm",
        "cats/a.json",
        "dogs/old/c.npz",
        "dogs/old/d.h5",
        "eels/0.png",
        "README",
    )
    videos, ignored = names(folder)
    assert videos == ["cats/a.webm", "cats/b.mp4", "dogs/old/c.npz", "dogs/old/d.h5", "eels"]
    assert [line.split(": ignored")[0] for line in ignored] == [f"{folder}/cats/a.json", f"{folder}/README"]


def test_links(folder):
    touch(folder, "cats/a.mp4")
    (folder / "dogs").symlink_to(folder / "cats")
    (folder / "cats2").mkdir()
    (folder / "cats2/loop").symlink_to(folder)
    videos, ignored = names(folder)
    assert videos == ["cats/a.mp4", "dogs/a.mp4"]
    assert ignored == [f"{folder}/cats2/loop: ignored, a link to a folder that it lies in"]


def test_what_must_be_put_right(folder):
    touch(folder, "a.mp4", "b.ts", "c.WMV")
    (folder / "d.mp4").symlink_to(folder / "gone.mp4")
    problems = list_videos(folder).problems
    assert len(problems) == 3 and all("\n" not in line for line in problems)
    assert f"{folder}/b.ts: videos must be .mp4" in problems[0]
    assert problems[2] == f"{folder}/d.mp4: a link to {folder}/gone.mp4, which is not there"
    with pytest.raises(InputError, match=r"b\.ts.*and 2 more problems"):
        open_dataset("clips", "test", folder.parents[1], CLIPS)


def test_loose_pictures(folder):
    touch(folder, "a.png", "b.png")
    with pytest.raises(InputError, match=r"a\.png: pictures must lie in folders"):
        open_dataset("clips", "test", folder.parents[1], CLIPS)


def test_what_is_ignored_is_told_by_the_check_and_when_the_videos_are_opened(folder, caplog):
    np.save(folder / "a.npy", FRAMES)
    touch(folder, "a.json")
    report = check_dataset("clips", "test", folder.parents[1], CLIPS)
    assert report.videos == 1 and report.problems == ()
    assert report.ignored == (f"{folder}/a.json: ignored, no video",)
    with caplog.at_level(logging.INFO):
        open_dataset("clips", "test", folder.parents[1], CLIPS)
    assert caplog.messages == list(report.ignored)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_folders_of_pictures_are_videos(folder, suffix):
    pictures(folder / "b", suffix=suffix)
    dataset = open_dataset("clips", "test", folder.parents[1], CLIPS)
    assert dataset.length(0) == 12
    video = dataset.video(0).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(video, FRAMES, atol=0 if suffix == "png" else 255)
    np.testing.assert_array_equal(dataset.frames(0, 9, 12), dataset.video(0)[9:])  # 10 does not come before 9
    stamp = dataset.identity()
    (folder / "b" / f"frame_3.{suffix}").touch()
    assert dataset.identity() != stamp


def test_what_lies_beside_the_pictures_of_a_video_does_not_change_it(folder):
    pictures(folder / "b")
    stamp = open_dataset("clips", "test", folder.parents[1], CLIPS).identity()
    touch(folder, "b/notes.txt", "b/.DS_Store", "b/Thumbs.db")
    assert open_dataset("clips", "test", folder.parents[1], CLIPS).identity() == stamp
    (folder / "b/frame_11.png").unlink()
    assert open_dataset("clips", "test", folder.parents[1], CLIPS).identity() != stamp


@pytest.mark.parametrize(
    ("numbers", "gap"),
    [((0, 1, 2), None), ((1, 5, 9), None), ((7,), None), ((8, 9, 10), None), ((0, 1, 2, 10, 11), "2 and 10")],
)
def test_a_gap_in_the_numbers_is_named(folder, numbers, gap):
    touch(folder, *(f"b/take2_{number}.png" for number in numbers))
    told = [f"{folder / 'b'}: no picture between numbers {gap}; read as neighbours"] if gap else []
    assert names(folder) == (["b"], told)


def test_pictures_that_are_no_frames_of_one_video(folder):
    pictures(folder / "a")
    Image.fromarray(FRAMES[0, :4]).save(folder / "a/frame_7.png")
    pictures(folder / "b")
    Image.fromarray(FRAMES[0, ..., 0].astype(np.uint16) * 256).save(folder / "b/frame_7.png")
    pictures(folder / "c")
    (folder / "c/frame_7.png").write_bytes(b"no picture")
    report = check_dataset("clips", "test", folder.parents[1], CLIPS)
    assert report.videos == 0
    for problem, text in zip(
        report.problems,
        (
            "a/frame_7.png: 8x4, but frame_0.png is 8x8",
            "b/frame_7.png: more than 8 bits",
            "c/frame_7.png: cannot be read",
        ),
        strict=True,
    ):
        assert text in problem and "\n" not in problem


@pytest.mark.parametrize("shape", [(480, 640, 3), (8, 8, 4)])
def test_one_picture_is_no_video(folder, shape):
    np.save(folder / "a.npy", np.zeros(shape, np.uint8))
    (problem,) = check_dataset("clips", "test", folder.parents[1], CLIPS).problems
    assert f"a.npy: shape {list(shape)} is one picture, not a video" in problem


def test_names_have_one_order_by_their_numbers():
    """Those of equal numbers too, whatever the order on the disk."""
    names = ["frame_01.png", "frame_1.png", "frame_9.png", "frame_10.png"]
    for order in permutations(names):
        assert sorted(order, key=by_number) == names
