from __future__ import annotations

import imageio.v2 as imageio
import numpy as np
import pytest
import torch

from viddiff.data import DatasetReport, DatasetSettings, check_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.errors import InputError


def frames(length, size=64, dtype=np.uint8):
    return np.zeros((length, size, size, 3), dtype)


def shorter(name, length):
    """A dataset `short` of the same files, whose videos need not be as long."""
    return {"short": DatasetSettings(name, name, length=length)}


def test_a_good_dataset(tmp_path):
    folder = tmp_path / "mazes_cwvae/test"
    folder.mkdir(parents=True)
    np.save(folder / "0.npy", frames(300))
    np.save(folder / "1.npy", frames(310))
    report = check_dataset("mazes_cwvae", "test", tmp_path)
    assert report == DatasetReport("mazes_cwvae", "test", videos=2, problems=())


def assert_problems(report, *wanted):
    assert len(report.problems) == len(wanted), report.problems
    for text in wanted:
        assert any(text in problem for problem in report.problems), (text, report.problems)
    assert not any("\n" in problem for problem in report.problems)


def test_all_broken_arrays_are_told(tmp_path):
    folder = tmp_path / "minerl/train"
    folder.mkdir(parents=True)
    np.save(folder / "0.npy", frames(500))
    np.save(folder / "1.npy", frames(499))
    np.save(folder / "2.npy", frames(500, size=84))
    np.save(folder / "3.npy", frames(5, dtype=np.float32))
    (folder / "4.npy").write_bytes((folder / "0.npy").read_bytes()[:-1])
    (folder / "5.npy").touch()
    np.save(folder / "6.npy", np.array([object()]), allow_pickle=True)
    np.save(folder / "8.npy", frames(500))
    np.save(folder / "08.npy", frames(500))
    report = check_dataset("minerl", "train", tmp_path)
    assert_problems(
        report,
        f"{folder / '1.npy'}: 499 frames, 500 are needed",
        f"{folder / '2.npy'}: shape [500, 84, 84, 3]",
        f"{folder / '3.npy'}: dtype float32",
        f"{folder / '4.npy'}: cannot be read",
        f"{folder / '5.npy'}: cannot be read",
        f"{folder / '6.npy'}: cannot be read: not a plain array",
        f"{folder / '7.npy'}: missing",
        f"{folder / '08.npy'}: must be named by its index",
    )
    assert report.videos == 2
    assert check_dataset("short", "train", tmp_path, shorter("minerl", 400)).videos == 3


def test_carla_lists(tmp_path):
    folder = tmp_path / "carla_with_traffic"
    folder.mkdir()
    assert_problems(check_dataset("carla_with_traffic", "test", tmp_path), "video_test.csv: no such file")
    torch.save(torch.from_numpy(frames(10, 128)), folder / "video_1.pt")
    torch.save(torch.from_numpy(frames(10, 128)).long(), folder / "video_2.pt")
    (folder / "video_3.pt").write_bytes((folder / "video_1.pt").read_bytes()[:5000])
    (folder / "video_test.csv").write_text(
        ",path\n0,a/video_1.pt\n1,a/video_2.pt\n2,a/video_3.pt\n3,a/video_4.pt\n4,a/video_1.pt\n5,oops\n"
    )
    report = check_dataset("short", "test", tmp_path, shorter("carla_with_traffic", 10))
    assert_problems(
        report,
        "video_2.pt: dtype int64",
        "video_3.pt: cut off",
        "video_4.pt: missing, but listed in video_test.csv",
        "video_test.csv: video_1.pt is listed 2 times",
        "video_test.csv: line 7: 'oops' names no .pt file",
    )
    (folder / "video_test.csv").write_text(",path\n")
    assert_problems(check_dataset("carla_with_traffic", "test", tmp_path), "lists no videos")
    (folder / "video_test.csv").write_bytes(b"\xff\xfe\x00")
    assert_problems(check_dataset("carla_with_traffic", "test", tmp_path), "video_test.csv: cannot be read")


def test_video_folder(tmp_path):
    folder = tmp_path / "clips/train"
    folder.mkdir(parents=True)
    imageio.mimwrite(folder / "a.mp4", frames(9))
    imageio.mimwrite(folder / "b.avi", frames(12))
    (folder / "c.gif").touch()
    (folder / "d.wmv").touch()
    datasets = {"mine": DatasetSettings("video_folder", "clips", length=10)}
    report = check_dataset("mine", "train", tmp_path, datasets)
    assert_problems(
        report, "a.mp4: 9 frames, 10 are needed", "c.gif: cannot be read", "d.wmv: videos must be"
    )
    assert report.videos == 1


def test_bouncy_balls(tmp_path):
    write_bouncy_balls(tmp_path, "train", 3, length=8)
    write_bouncy_balls(tmp_path, "test", 2, length=8)
    report = check_dataset("bouncy_balls", "train", tmp_path)
    assert (report.videos, report.problems) == (3, ())
    assert len(check_dataset("short", "train", tmp_path, shorter("bouncy_balls", 9)).problems) == 3
    (tmp_path / "bouncy_balls/test.pt").unlink()
    assert_problems(check_dataset("bouncy_balls", "test", tmp_path), "test.pt: no such file")


def test_absent_folder_and_unknown_name(tmp_path):
    report = check_dataset("minerl", "test", tmp_path)
    assert_problems(report, f"{tmp_path / 'minerl'}: no such folder")
    assert report.videos == 0
    with pytest.raises(InputError, match="did you mean minerl"):
        check_dataset("minerI", "test", tmp_path)
