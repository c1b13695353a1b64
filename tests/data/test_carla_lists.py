"""The lists of a CARLA dataset, as `viddiff carla-csv` makes them; `viddiff --version`."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

import viddiff
from viddiff.__main__ import main
from viddiff.data import check_dataset, open_dataset

NAME = "carla_no_traffic"


@pytest.fixture
def folder(tmp_path):
    """Three videos, whose brightness is their number."""
    folder = tmp_path / NAME
    folder.mkdir()
    for number in (10, 2, 9):
        torch.save(torch.full((2, 128, 128, 3), number, dtype=torch.uint8), folder / f"video_{number}.pt")
    (folder / "coords_2.npy").write_bytes(b"")
    (folder / "._video_2.pt").write_bytes(b"")
    return folder


def carla_csv(folder, test: int = 1) -> None:
    main(["carla-csv", str(folder), "--test", str(test)])


def test_the_lists_open_the_dataset(folder, capsys):
    carla_csv(folder)
    assert capsys.readouterr().out.splitlines() == [
        f"{folder / 'video_train.csv'}: 2 of 3 videos",
        f"{folder / 'video_test.csv'}: 1 of 3 videos",
    ]
    assert (folder / "video_train.csv").read_text() == ",path\n0,video_2.pt\n1,video_9.pt\n"
    train, test = (open_dataset(NAME, split, folder.parent) for split in ("train", "test"))
    assert [int(train.video(index)[0, 0, 0, 0]) for index in range(len(train))] == [2, 9]
    assert np.unique(test.video(0)) == [10]


def test_names_that_a_list_must_quote(folder):
    (folder / "video_2.pt").rename(folder / 'a, "b" 1.pt')
    carla_csv(folder)
    assert open_dataset(NAME, "train", folder.parent).file(0).name == 'a, "b" 1.pt'


def test_the_check_of_the_data_says_how_to_make_the_lists(folder):
    assert "viddiff carla-csv" in check_dataset(NAME, "train", folder.parent).problems[0]


@pytest.mark.parametrize("test", [-1, 0, 3, 4])
def test_each_split_has_a_video(folder, test):
    with pytest.raises(SystemExit, match=f"error: {test} test videos of the 3 .pt files") as error:
        carla_csv(folder, test)
    assert "\n" not in str(error.value) and not list(folder.glob("*.csv"))


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_list_that_exists_is_kept(folder, split):
    (folder / f"video_{split}.csv").write_text("mine")
    with pytest.raises(SystemExit, match=f"video_{split}.csv exists; move it away"):
        carla_csv(folder)
    assert [path.read_text() for path in folder.glob("*.csv")] == ["mine"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SystemExit, match="error: no folder"):
        carla_csv(tmp_path / "nothing")


def test_the_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"viddiff {viddiff.__version__}\n"
    module = subprocess.run([sys.executable, "-m", "viddiff", "--version"], capture_output=True, text=True)
    assert module.stdout == f"viddiff {viddiff.__version__}\n"
