"""A part of a video is exactly that part of the whole, whatever the encoder did, and costs no more than it must."""

from __future__ import annotations

import os
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest

from viddiff.data import DatasetSettings, ffmpeg, open_dataset, stored
from viddiff.data.ffmpeg import decode_all, decode_part, read_index
from viddiff.errors import InputError

SIZE = (32, 32)
X264 = "-c:v libx264 -preset ultrafast -x264-params"
KINDS = {
    "b_frames.mp4": f"{X264} keyint=12:bframes=3:b-adapt=0",
    "open_gop.mp4": f"{X264} keyint=12:bframes=3:b-adapt=0:open-gop=1",
    "intra_refresh.mp4": f"{X264} keyint=20:intra-refresh=1",
    "one_key.mkv": f"{X264} keyint=1000",
    "variable_rate.mkv": f"-vf setpts=N*N*0.001/TB -fps_mode vfr {X264} keyint=12:bframes=2",
    "rotated.mov": "-c:v mjpeg -metadata:s:v rotate=90",
    "ten_bits.mp4": f"-pix_fmt yuv420p10le {X264} keyint=12",
    "odd.mkv": f"-vf crop=59:43 -pix_fmt yuv444p {X264} keyint=9",
    "hevc.mp4": "-c:v libx265 -preset ultrafast -x265-params keyint=12:open-gop=1:bframes=3:log-level=none",
    "vp9.webm": "-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -g 12",
    "mpeg2.mkv": "-c:v mpeg2video -bf 2 -g 12",
    "mpeg4.avi": "-c:v mpeg4 -g 12",
    "mpeg4_b_frames.avi": "-c:v mpeg4 -bf 2 -g 12",
    "h264.avi": f"{X264} keyint=12:bframes=2",
    "mpeg2.avi": "-c:v mpeg2video -bf 2 -g 12",
    "vp8.webm": "-c:v libvpx -cpu-used 8 -deadline realtime -g 12",
}
SEQUENTIAL = {
    "mpeg4_b_frames.avi",
    "h264.avi",
    "mpeg2.avi",
    "vp8.webm",
}  # no time stamps of display, or hidden frames


def run_ffmpeg(*arguments):
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True
    )


def encode(path, options, frames=60):
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25,noise=alls=40:allf=t", "-frames:v", frames),
        *(*options.split(), path),
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name, options in KINDS.items():
        encode(folder / name, options)
    for name in (
        "open_gop.mp4",
        "hevc.mp4",
        "mpeg4_b_frames.avi",
    ):  # with an edit list, or without a first key frame
        run_ffmpeg("-ss", "0.7", "-i", folder / name, "-c", "copy", folder / f"cut_{name}")
    return folder


@pytest.mark.parametrize("name", [*KINDS, "cut_open_gop.mp4", "cut_hevc.mp4", "cut_mpeg4_b_frames.avi"])
def test_a_part_is_that_of_the_whole(videos, name):
    path = videos / name
    whole = list(decode_all(path, SIZE))
    assert len({frame.tobytes() for frame in whole}) == len(whole)  # else a wrong frame could pass
    index = read_index(path, SIZE)
    assert index.exact == (name.removeprefix("cut_") not in SEQUENTIAL)
    assert len(index) == len(whole) or not index.exact
    last = len(whole) - 1
    for wanted in (
        range(0, 3),
        range(last - 2, last + 1),
        range(23, 26),
        range(35, 36),
        range(13, 30, 5),
        [4, 11, 12],
    ):
        part = decode_part(path, index, wanted, SIZE, lambda frame: frame)
        assert len(part) == len(wanted)
        for number, frame in zip(wanted, part, strict=True):
            np.testing.assert_array_equal(frame, whole[number])


def test_where_decoding_began_too_late_the_whole_is_decoded(videos):
    path = videos / "intra_refresh.mp4"
    index, wanted = read_index(path, SIZE), range(21, 24)
    early = list(ffmpeg._decode_part(path, index, wanted.start, wanted.stop, SIZE))
    assert len(early) < 3  # ffmpeg withholds frames until the picture is refreshed
    whole = list(decode_all(path, SIZE))[wanted.start : wanted.stop]
    np.testing.assert_array_equal(decode_part(path, index, wanted, SIZE, lambda frame: frame), whole)


def test_an_index_that_lists_more_frames_than_there_are(videos):
    path = videos / "b_frames.mp4"
    index = read_index(path, SIZE)
    times = np.append(index.times, index.times[-1] + 512)
    longer = ffmpeg.Index(times, index.keys, index.unit, True)
    with pytest.raises(InputError, match=r"b_frames\.mp4: ends before frame 60, its index lists 61"):
        decode_part(path, longer, range(58, 61), SIZE, lambda frame: frame)


def cpu_seconds(call):
    """Processor seconds of this process and of those that it started and awaited."""
    before = os.times()
    call()
    return sum(os.times()[:4]) - sum(before[:4])


def test_a_crop_of_a_long_video_costs_little(tmp_path):
    folder = tmp_path / "clips/test"
    folder.mkdir(parents=True)
    encode(folder / "a.mp4", f"{X264} keyint=250", frames=4000)
    encode(folder / "b.mp4", f"{X264} keyint=250", frames=20)
    settings = {"clips": DatasetSettings("video_folder", "clips", image_size=32)}

    def opened():
        return open_dataset("clips", "test", tmp_path, settings)

    few = np.median([cpu_seconds(lambda: opened().video(1, 20)) for _ in range(6)])
    first = np.median([cpu_seconds(lambda: opened().video(0, 20)) for _ in range(3)])
    dataset, generator = opened(), np.random.default_rng(0)
    assert dataset.length(0) == 4000
    crops = np.median([cpu_seconds(lambda: dataset.random_crop(0, 20, generator)) for _ in range(5)])
    assert crops < 10 * few and first < 10 * few
    assert not dataset._decoded  # the whole, of which parts would cost nothing


def test_long_videos_give_the_same_frames_as_short_ones(tmp_path, videos, monkeypatch):
    """Crops by the index, those of a decoded video, with and without another process's copy of the dataset."""
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "test").symlink_to(videos)
    settings = {"clips": DatasetSettings("video_folder", "clips", image_size=16)}
    by_whole = open_dataset("clips", "test", tmp_path, settings)
    whole = [by_whole.video(index) for index in range(len(by_whole))]
    monkeypatch.setattr(stored, "SHORT", 30)
    by_part = open_dataset("clips", "test", tmp_path, settings)
    for index, video in enumerate(whole):
        assert by_part.length(index) == len(video)
        np.testing.assert_array_equal(by_part.frames(index, 22, 29), video[22:29])
    assert len(by_part._opened) > 10 and len(by_part._decoded) == 5
