"""What a saved training remembers of its videos."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from viddiff.data import DatasetSettings, open_dataset
from viddiff.files.write import save_npy
from viddiff.training.data_record import data_changes, record_data


@pytest.fixture
def root(tmp_path):
    for video in range(2):
        save_npy(tmp_path / f"arrays/train/{video}.npy", np.zeros((4, 8, 8, 3), np.uint8))
        for frame in range(3):
            folder = tmp_path / f"pictures/train/{video}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(folder / f"{frame}.png")
    return tmp_path


def record(root, name, **more):
    settings = DatasetSettings("video_folder", name, image_size=8, **more)
    return record_data(open_dataset(name, "train", root, {name: settings}))


def test_files_that_change_are_named(root):
    before = record(root, "arrays")
    assert (
        before.splitlines()[0].endswith(" train/0.npy") and data_changes(before, record(root, "arrays")) == ""
    )
    (root / "arrays/train/0.npy").unlink()
    save_npy(root / "arrays/train/1.npy", np.zeros((5, 8, 8, 3), np.uint8))
    save_npy(root / "arrays/train/2.npy", np.zeros((4, 8, 8, 3), np.uint8))
    assert data_changes(before, record(root, "arrays")) == (
        "files: 1 gone (train/0.npy), 1 new (train/2.npy), 1 of another size (train/1.npy)"
    )


def test_a_folder_of_pictures_changes_with_its_pictures_alone(root):
    before = record(root, "pictures")
    (root / "pictures/train/0/notes.txt").write_text("none")
    assert data_changes(before, record(root, "pictures")) == ""
    (root / "pictures/train/0/2.png").unlink()
    assert data_changes(before, record(root, "pictures")) == "files: 1 of another size (train/0)"


def test_settings_that_change_what_is_read_are_named(root):
    before = record(root, "arrays")
    assert record(root, "arrays", stride=1) == before
    after = record(root, "arrays", stride=2, fit="pad")
    assert data_changes(before, after) == "settings: none before, stride 2, fit pad now"
    assert data_changes(after, before) == "settings: stride 2, fit pad before, none now"
