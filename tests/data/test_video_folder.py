from __future__ import annotations

import h5py
import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from decoding import decode
from PIL import Image

from viddiff.data import DatasetSettings, limits, listing, open_dataset, video_folder
from viddiff.errors import InputError

SIZE = 16
SUFFIXES = (*listing.FILES, *listing.ARCHIVES)


def clips(**settings):
    return {"clips": DatasetSettings("video_folder", "clips", **{"image_size": SIZE} | settings)}


def moving_square(length=12, height=48, width=64):
    """A white square in the middle that darkens by 10 levels per frame, on black."""
    frames = np.zeros((length, height, width, 3), np.uint8)
    for i in range(length):
        frames[i, height // 4 : -height // 4, width // 4 : -width // 4] = 250 - 10 * i
    return frames


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "clips/test"
    folder.mkdir(parents=True)
    return folder


def open_clips(folder, **settings):
    return open_dataset("clips", "test", folder.parent.parent, clips(**settings))


def write(path, frames):
    if path.suffix == ".npy":
        np.save(path, frames)
    elif path.suffix == ".npz":
        np.savez_compressed(path, frames=frames)
    elif path.suffix in (".h5", ".hdf5"):
        with h5py.File(path, "w") as file:
            file.create_dataset("a/frames", data=frames, chunks=True, compression="gzip")
    elif path.suffix == ".pt":
        torch.save(torch.from_numpy(frames), path)
    elif path.suffix == ".m4v":  # whose name tells ffmpeg no container
        imageio.mimwrite(path.with_suffix(".mp4"), frames)
        path.with_suffix(".mp4").rename(path)
    else:
        imageio.mimwrite(path, frames, **({"codec": "libvpx-vp9"} if path.suffix == ".webm" else {}))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_file_gives_its_frames(folder, suffix):
    write(folder / f"a{suffix}", moving_square())
    dataset = open_clips(folder)
    assert len(dataset) == 1 and dataset.length(0) == 12 and dataset.image_size == SIZE
    video = dataset.video(0)
    assert video.shape == (12, 3, SIZE, SIZE) and video.dtype == np.uint8
    np.testing.assert_allclose(video[:, :, 8, 8], np.repeat(250 - 10 * np.arange(12)[:, None], 3, 1), atol=6)
    np.testing.assert_allclose(video[:, :, 0], 0, atol=6)
    np.testing.assert_array_equal(dataset.video(0, 5), video[:5])
    np.testing.assert_array_equal(dataset.frames(0, 4, 9), video[4:9])
    np.testing.assert_array_equal(dataset.gather(0, np.array([1, 4, 11])), video[[1, 4, 11]])
    video[:] = 0  # a caller's own copy
    assert dataset.video(0).max() > 200


def test_files_are_sorted_by_name_and_others_ignored(folder):
    for name in ("b.npy", "a.pt", "c.MP4"):
        (folder / name).touch()
    for name in (".hidden.mp4", ".tmp-1-x.npy", "notes.txt"):
        (folder / name).touch()
    assert [path.name for path in open_clips(folder).paths] == ["a.pt", "b.npy", "c.MP4"]


def test_nothing_to_read(folder):
    with pytest.raises(InputError, match=r"test: no videos \(\.mp4, \.avi, .*, \.hdf5, or folders of \.png"):
        open_clips(folder)
    (folder / "a.ts").touch()
    with pytest.raises(InputError, match=r"a\.ts: videos must be \.mp4"):
        open_clips(folder)
    with pytest.raises(InputError, match=r"train: no such folder"):
        open_dataset("clips", "train", folder.parent.parent, clips())


def test_exact_frames_keep_their_values(folder):
    frames = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    np.save(folder / "a.npy", frames)
    np.save(folder / "b.npy", frames.transpose(0, 3, 1, 2))  # channels first
    alpha = np.concatenate([frames, frames[..., :1]], axis=-1)
    np.save(folder / "c.npy", alpha)
    np.save(folder / "d.npy", frames[..., 0])  # grey
    np.save(folder / "e.npy", frames[..., :1])
    dataset = open_clips(folder)
    expected = frames.transpose(0, 3, 1, 2)
    for index in range(3):
        np.testing.assert_array_equal(dataset.video(index), expected)
    for index in (3, 4):
        np.testing.assert_array_equal(dataset.video(index), expected[:, :1].repeat(3, axis=1))


def test_the_centre_is_cropped():
    frames = np.zeros((1, SIZE, 3 * SIZE, 3), np.uint8)
    frames[:, :, SIZE : 2 * SIZE] = np.random.default_rng(0).integers(1, 256, (1, SIZE, SIZE, 3))
    middle = frames[:, :, SIZE : 2 * SIZE].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(video_folder.fit(frames, SIZE), middle)
    tall = frames.transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(video_folder.fit(tall, SIZE), middle.transpose(0, 1, 3, 2))


def test_shrinking_is_antialiased_and_growing_works():
    stripes = np.zeros((2, 64, 96, 3), np.uint8)
    stripes[:, :, ::2] = 200
    inner = video_folder.fit(stripes, SIZE)[..., 2:-2]
    assert np.abs(inner.astype(int) - 100).max() <= 3  # without antialiasing it would be 0 or 200
    assert (video_folder.fit(np.full((1, 5, 7, 3), 77, np.uint8), SIZE) == 77).all()
    assert video_folder.fit(np.zeros((1, 17, 1001, 3), np.uint8), SIZE).shape == (1, 3, SIZE, SIZE)


def test_gif_palette_transparency_and_delays(folder):
    frames = [Image.fromarray(frame[..., 0]).convert("P") for frame in moving_square(4, SIZE, SIZE)]
    frames[0].save(
        folder / "a.gif", save_all=True, append_images=frames[1:], duration=[10, 500, 10, 90], disposal=2
    )
    assert open_clips(folder).video(0).shape == (4, 3, SIZE, SIZE)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", ["empty", "half", "text"])
def test_damaged_files(folder, suffix, damage):
    path = folder / f"a{suffix}"
    write(path, np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), dtype=np.uint8))
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "text": b"hello\n" * 500}[damage])
    with pytest.raises(InputError) as caught:
        open_clips(folder).video(0)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_video_cannot_make_ffmpeg_read_other_files(folder):
    secret = folder.parent / "secret.avi"
    write(secret, moving_square())
    for name, text in (
        ("a.mp4", f"#EXTM3U\n#EXTINF:1,\nfile:{secret}\n#EXT-X-ENDLIST\n"),
        ("b.avi", f"ffconcat version 1.0\nfile '{secret}'\n"),
    ):
        (folder / name).write_text(text)
        with pytest.raises(InputError, match="not a whole video"):
            decode(folder / name, SIZE)


def test_sizes_that_no_video_has(folder, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 48 * 64 - 1)
    for suffix in SUFFIXES:
        path = folder / f"a{suffix}"
        write(path, moving_square())
        with pytest.raises(InputError, match=rf"a\{suffix}: "):
            open_clips(folder).video(0)
        path.unlink()
    np.save(folder / "thin.npy", np.zeros((1, 1, 3000, 3), np.uint8))  # would grow to 16 x 48000
    with pytest.raises(InputError, match=r"thin\.npy: frames of 3000x1"):
        open_clips(folder).video(0)


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".npy"])
def test_a_video_too_long_for_memory(folder, monkeypatch, suffix):
    monkeypatch.setattr(limits, "MAX_BYTES", 10 * 3 * SIZE**2)
    write(folder / f"a{suffix}", moving_square())
    with pytest.raises(InputError, match="more than 10 frames of 16x16"):
        open_clips(folder).video(0)


def test_decoded_videos_are_kept_within_a_budget(folder, monkeypatch):
    for name in "abc":
        write(folder / f"{name}.gif", moving_square(3))
    calls = []
    decode = video_folder.decode_stored
    monkeypatch.setattr(
        video_folder,
        "decode_stored",
        lambda stored, intake: calls.append(stored.path.name) or decode(stored, intake),
    )
    monkeypatch.setattr(video_folder, "KEPT_BYTES", 2 * 3 * 3 * SIZE**2)  # two videos
    dataset = open_clips(folder)
    for index in (0, 1, 0, 2, 0, 1):
        dataset.video(index, 2)
    assert calls == ["a.gif", "b.gif", "c.gif", "b.gif"]
