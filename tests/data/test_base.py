from __future__ import annotations

import numpy as np
import pytest
import torch

from viddiff.data import DatasetSettings, TrainingCrops, open_dataset
from viddiff.data.base import dataset as datasets
from viddiff.errors import InputError

OWN = {"mine": DatasetSettings("minerl", "clips", image_size=8, length=5)}


@pytest.fixture
def root(tmp_path):
    """Six videos whose pixels hold (video, frame, 0)."""
    for split in ("train", "test"):
        (tmp_path / "clips" / split).mkdir(parents=True)
        for video in range(6):
            array = np.zeros((30 + video, 8, 8, 3), np.uint8)
            array[..., 0] = video
            array[..., 1] = np.arange(len(array))[:, None, None]
            np.save(tmp_path / "clips" / split / f"{video}.npy", array)
    return tmp_path


def start_of(crop):
    assert (np.diff(np.asarray(crop)[:, 1, 0, 0].astype(int)) == 1).all()
    return int(crop[0, 0, 0, 0]), int(crop[0, 1, 0, 0])


def test_unknown_names_list_the_known(tmp_path):
    with pytest.raises(InputError, match=r"did you mean minerl.*bouncy_balls.*mine, "):
        open_dataset("mineral", "test", tmp_path, OWN)
    with pytest.raises(InputError, match="split 'validation': must be one of train, test"):
        open_dataset("minerl", "validation", tmp_path)
    with pytest.raises(InputError, match=r"minerl: no folder .*minerl$"):
        open_dataset("minerl", "test", tmp_path)


def test_wrong_settings(tmp_path, types_unchecked):
    wrong = DatasetSettings("video_foldr", "a")
    with pytest.raises(
        InputError, match=r"datasets\.mine\.kind 'video_foldr' is unknown; did you mean video_folder"
    ):
        open_dataset("mine", "test", tmp_path, {"mine": wrong})
    for name, value in (("length", "12"), ("length", 0), ("image_size", True)):
        with pytest.raises(InputError, match=rf"^dataset a: {name} is {value!r}, must be a positive"):
            DatasetSettings("minerl", "a", **{name: value})


@pytest.mark.parametrize("name", [name for name in datasets.names() if datasets.find(name).folders])
def test_folders_of_the_original_are_found(tmp_path, name):
    folder = tmp_path / datasets.find(name).folders[-1]
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match=str(folder)):  # found, but empty
        open_dataset(name, "test", tmp_path)


def test_video_and_crops(root):
    dataset = open_dataset("mine", "test", root, OWN)
    assert (len(dataset), dataset.image_size, dataset.length(2)) == (6, 8, 32)
    assert dataset.video(2).shape == (32, 3, 8, 8) and dataset.video(2, 5).shape == (5, 3, 8, 8)
    assert start_of(dataset.video(4, 7)) == (4, 0)
    crop = dataset.random_crop(3, 10, np.random.default_rng(0))
    assert crop.dtype == np.uint8 and crop.flags["C_CONTIGUOUS"] and crop.shape == (10, 3, 8, 8)
    with pytest.raises(InputError, match=r"0\.npy: video 0 has 30 frames, 31 are needed"):
        dataset.random_crop(0, 31, np.random.default_rng(0))


def test_every_start_is_drawn(root):
    dataset = open_dataset("mine", "test", root, OWN)
    generator = np.random.default_rng(0)
    starts = {start_of(dataset.random_crop(0, 27, generator))[1] for _ in range(60)}
    assert starts == {0, 1, 2, 3}


def test_training_crops_depend_on_seed_and_index_alone(root):
    dataset = open_dataset("mine", "train", root, OWN)
    first, again, other = (TrainingCrops(dataset, 10, seed) for seed in (1, 1, 2))
    draws = [start_of(first[i]) for i in range(50)]
    assert first[0].dtype == torch.uint8 and first[0].shape == (10, 3, 8, 8)
    assert [start_of(again[i]) for i in reversed(range(50))] == draws[::-1]
    assert [start_of(other[i]) for i in range(50)] != draws
    assert len(set(draws)) > 25 and {video for video, _ in draws} == set(range(6))
    numbers = np.array([7, 0, 3, 3])
    np.testing.assert_array_equal(first.gather(4, numbers), first[4][numbers])


def test_training_crops_are_the_same_with_any_number_of_workers(root):
    crops = TrainingCrops(open_dataset("mine", "train", root, OWN), 10, seed=1)
    part = torch.utils.data.Subset(crops, range(100, 112))  # as a run that resumes at draw 100
    batches = [
        torch.cat(list(torch.utils.data.DataLoader(part, batch_size=3, num_workers=workers)))
        for workers in (0, 2)
    ]
    assert torch.equal(*batches)
    assert len({start_of(crop) for crop in batches[1]}) > 6


def stamps(root):
    identity = open_dataset("mine", "test", root, OWN).identity()
    return [identity[i : i + 8] for i in range(0, len(identity), 8)]


def test_identity_tells_which_video_is_another_one(root):
    folder = next(path.parent for path in root.rglob("test/5.npy"))
    before = stamps(root)
    assert len(before) == len(set(before)) == 6 and stamps(root) == before
    (folder / "2.npy").touch()
    assert [a == b for a, b in zip(before, stamps(root), strict=True)] == [
        True,
        True,
        False,
        True,
        True,
        True,
    ]
    before = stamps(root)
    (folder / "5.npy").rename(folder / "6.npy")
    (folder / "3.npy").rename(folder / "5.npy")
    (folder / "6.npy").rename(folder / "3.npy")
    assert [a == b for a, b in zip(before, stamps(root), strict=True)] == [
        True,
        True,
        True,
        False,
        True,
        False,
    ]


def test_identity_reads_no_video(root, monkeypatch):
    dataset = open_dataset("mine", "test", root, OWN)
    monkeypatch.setattr(type(dataset), "frames", None)
    monkeypatch.setattr(type(dataset), "length", None)
    assert len(dataset.identity()) == 8 * 6
