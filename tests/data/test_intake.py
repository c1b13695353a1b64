"""The options of a dataset: which frames are used, and how they are brought to its size."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
import torch
from test_ffmpeg import X264, encode, run_ffmpeg

from viddiff.data import DatasetSettings, TrainingCrops, check_dataset, open_dataset, stored
from viddiff.data.fit import fit
from viddiff.dataset_settings import Intake
from viddiff.errors import InputError


def own(**settings):
    return {"clips": DatasetSettings("video_folder", "clips", **{"image_size": 16} | settings)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A compressed video of 60 frames at 25 a second, the same at a varying rate, and its frames in an array."""
    root = tmp_path_factory.mktemp("root")
    folder = root / "clips/test"
    folder.mkdir(parents=True)
    encode(folder / "a.mp4", f"{X264} keyint=12:bframes=2")
    run_ffmpeg(
        *("-i", folder / "a.mp4", "-vf", "setpts=N*N*0.001/TB", "-fps_mode", "passthrough"),
        *("-enc_time_base", "1/1000", "-c:v", "ffv1", folder / "b.mkv"),
    )
    np.save(folder / "c.npy", open_dataset("clips", "test", root, own(image_size=[48, 64])).video(0))
    (root / "clips/train").symlink_to(folder)
    return root


@pytest.mark.parametrize("short", [1000, 30], ids=["decoded whole", "by the index"])
@pytest.mark.parametrize("stride", [1, 7])
def test_stride(root, monkeypatch, short, stride):
    monkeypatch.setattr(stored, "SHORT", short)
    every, some = (open_dataset("clips", "test", root, own(**more)) for more in ({}, {"stride": stride}))
    for index in range(3):
        wanted = every.video(index)[::stride]
        assert some.length(index) == len(wanted)
        np.testing.assert_array_equal(some.video(index), wanted)
        np.testing.assert_array_equal(
            some.frames(index, len(wanted) // 2, len(wanted)), wanted[len(wanted) // 2 :]
        )
        np.testing.assert_array_equal(some.gather(index, np.array([0, 2, 5])), wanted[[0, 2, 5]])
    report = check_dataset("clips", "test", root, own(stride=stride, length=30))
    assert report.videos == (3 if stride == 1 else 0)


@pytest.mark.parametrize("short", [1000, 30], ids=["decoded whole", "by the index"])
@pytest.mark.parametrize("rate", [10, 40])
def test_frame_rate_takes_the_nearest_frame(root, monkeypatch, short, rate):
    monkeypatch.setattr(stored, "SHORT", short)
    every, some = (open_dataset("clips", "test", root, own(**more)) for more in ({}, {"frame_rate": rate}))
    for index, seconds in enumerate((np.arange(60) / 25, np.arange(60) ** 2 * 0.001)):
        moments = np.arange(int(seconds[-1] * rate + 1e-6) + 1) / rate
        nearest = np.abs(moments[:, None] - seconds - 1e-9 * np.arange(60)).argmin(1)
        np.testing.assert_array_equal(some.video(index), every.video(index)[nearest])
        np.testing.assert_array_equal(some.frames(index, 3, 8), every.video(index)[nearest[3:8]])
        numbers = np.array([1, 2, 3, 7])  # at the higher rate some are the same stored frame
        np.testing.assert_array_equal(some.gather(index, numbers), every.video(index)[nearest[numbers]])
    with pytest.raises(InputError, match=r"c\.npy: no time stamps that frame_rate could follow; give stride"):
        some.video(2)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "area", "nearest"])
@pytest.mark.parametrize("size", [(16, 16), (16, 40), (40, 16), (12, 18)])
def test_pad_keeps_all_and_crop_fills_all(interpolation, size):
    frames = np.full((2, 24, 36, 3), 200, np.uint8)
    cropped = fit(frames, size, Intake(interpolation=interpolation))
    assert cropped.shape == (2, 3, *size) and (cropped == 200).all()
    padded = fit(frames, size, Intake(fit="pad", interpolation=interpolation))
    scale = min(size[0] / 24, size[1] / 36)
    rows, columns = round(24 * scale), round(36 * scale)
    assert padded.shape == (2, 3, *size) and (padded > 0).sum() == 6 * rows * columns
    top, left = (size[0] - rows) // 2, (size[1] - columns) // 2
    assert (padded[..., top : top + rows, left : left + columns] == 200).all()


def test_interpolations_differ_and_all_but_nearest_average():
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 200
    for interpolation in ("bilinear", "bicubic", "area"):
        inner = fit(stripes, 16, Intake(interpolation=interpolation))[..., 3:-3]
        assert np.abs(inner.astype(int) - 100).max() <= 3
    assert set(np.unique(fit(stripes, 16, Intake(interpolation="nearest")))) <= {0, 200}


def test_settings_can_be_hashed_and_one_number_is_two_equal_ones(root):
    assert len({*own(image_size=[8, 12]).values(), *own(image_size=(8, 12)).values()}) == 1
    for size, plain in (([8, 12], [8, 12]), ([8, 8], 8), (8, 8)):
        dataset = open_dataset("clips", "test", root, own(image_size=size))
        assert dataset.image_size == plain and dataset.video(2).shape[2:] == dataset.frame_size


def test_wrong_options(root, types_unchecked):
    for name, value, allowed in (
        ("stride", 0, "a positive whole number"),
        ("frame_rate", -1, "a positive number"),
        ("frame_rate", float("nan"), "a positive number"),
        ("frame_rate", True, "a positive number"),
        ("fit", "stretch", "crop or pad"),
        ("interpolation", "lanczos", "bilinear or bicubic or area or nearest"),
        ("image_size", [48], r"a positive whole number, or height and width: \[48, 80\]"),
        ("image_size", [48, 0], "a positive whole number, or"),
    ):
        with pytest.raises(InputError, match=rf"^dataset clips: {name} is .*, must be {allowed}"):
            own(**{name: value})
    with pytest.raises(InputError, match="give stride or frame_rate, not both"):
        own(stride=2, frame_rate=10)
    arrays = {"clips": DatasetSettings("minerl", "clips", stride=2)}
    with pytest.raises(
        InputError, match=r"datasets\.clips\.stride: videos of kind minerl are taken as they are"
    ):
        open_dataset("clips", "test", root, arrays)


def test_processes_that_load_data_need_not_be_forked(root):
    dataset = open_dataset("clips", "train", root, own())
    crops = TrainingCrops(dataset, 10, seed=1)
    part = torch.utils.data.Subset(crops, range(4))
    here = [crop.numpy() for crop in part]  # which decodes videos, that need not travel
    assert dataset._decoded
    context = multiprocessing.get_context("spawn")  # forkserver hands over as much
    loader = torch.utils.data.DataLoader(
        part, batch_size=None, num_workers=1, multiprocessing_context=context
    )
    for crop, wanted in zip(loader, here, strict=True):
        np.testing.assert_array_equal(crop, wanted)
