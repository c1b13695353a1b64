from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest
import torch

from viddiff.data import DatasetSettings, arrays, open_dataset, stored
from viddiff.errors import InputError


class Hostile:
    """Unpickling this writes a file."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return open, (self.target, "w")


def video(length=4, size=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (length, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["minerl", "mazes_cwvae"])
def test_numbered_arrays(tmp_path, name):
    for split in ("train", "test"):
        (tmp_path / name / split).mkdir(parents=True)
        for index in range(11):
            np.save(tmp_path / name / split / f"{index}.npy", video(seed=index + 20 * (split == "test")))
    dataset = open_dataset(name, "test", tmp_path)
    assert len(dataset) == 11
    np.testing.assert_array_equal(dataset.video(10), video(seed=30).transpose(0, 3, 1, 2))  # by number
    np.testing.assert_array_equal(dataset.video(2, 3), video(seed=22)[:3].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(dataset.gather(2, np.array([0, 3])), dataset.video(2)[[0, 3]])


@pytest.mark.parametrize("kind", ["minerl", "video_folder"])
def test_a_file_is_opened_once_and_travels_to_no_process(tmp_path, monkeypatch, kind):
    (tmp_path / "own/train").mkdir(parents=True)
    np.save(tmp_path / "own/train/0.npy", video(40, 16))
    settings = {"own": DatasetSettings(kind, "own", image_size=16)}
    dataset = open_dataset("own", "train", tmp_path, settings)
    wanted = dataset.gather(0, np.array([1, 3]))
    there = pickle.loads(pickle.dumps(dataset))
    assert len(pickle.dumps(dataset)) < 10_000 < wanted.nbytes * 20
    for module in arrays, stored:
        monkeypatch.setattr(module, "open_array", None)
    np.testing.assert_array_equal(dataset.gather(0, np.array([1, 3])), wanted)
    monkeypatch.undo()
    np.testing.assert_array_equal(there.gather(0, np.array([1, 3])), wanted)


def test_carla(tmp_path):
    folder = tmp_path / "carla_no_traffic"
    folder.mkdir()
    for index in (3, 7, 11):
        torch.save(torch.from_numpy(video(size=128, seed=index)), folder / f"video_{index}.pt")
    (folder / "video_train.csv").write_text(",path\n0,/elsewhere/carla/video_7.pt\n1,./video_3.pt\n")
    (folder / "video_test.csv").write_text(",path\n2,video_11.pt\n")
    train = open_dataset("carla_no_traffic", "train", tmp_path)
    assert [path.name for path in train.paths] == ["video_7.pt", "video_3.pt"]
    np.testing.assert_array_equal(train.video(0), video(size=128, seed=7).transpose(0, 3, 1, 2))
    test = open_dataset("carla_no_traffic", "test", tmp_path)
    np.testing.assert_array_equal(test.video(0, 2), video(size=128, seed=11)[:2].transpose(0, 3, 1, 2))


def test_carla_variable_length(tmp_path):
    folder = tmp_path / "carla/no-traffic-variable-length"
    folder.mkdir(parents=True)
    for index, length in (("00", 3), ("01", 6)):
        torch.save(torch.from_numpy(video(length, 128)), folder / f"video_{index}.pt")
    dataset = open_dataset("carla_no_traffic_variable_length", "test", tmp_path)
    assert [dataset.length(index) for index in range(2)] == [3, 6]
    with pytest.raises(InputError, match="test videos only"):
        open_dataset("carla_no_traffic_variable_length", "train", tmp_path)


@pytest.mark.parametrize("modern", [True, False])
def test_tensors_of_old_and_new_torch(tmp_path, modern):
    tensor = torch.from_numpy(video())
    torch.save(tensor, tmp_path / "a.pt", _use_new_zipfile_serialization=modern)
    assert torch.equal(arrays.open_pt(tmp_path / "a.pt"), tensor)


def test_hostile_pickles_are_refused_and_do_not_run(tmp_path):
    ran = tmp_path / "ran"
    np.save(tmp_path / "objects.npy", np.array([Hostile(ran)], dtype=object), allow_pickle=True)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Hostile(ran)))
    torch.save(Hostile(ran), tmp_path / "zip.pt")
    torch.save({"video": torch.zeros(2), "more": Hostile(ran)}, tmp_path / "dict.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Hostile(ran)))
    for name in ("objects.npy", "bare.npy", "zip.pt", "dict.pt", "bare.pt"):
        with pytest.raises(InputError) as caught:
            arrays.open_array(tmp_path / name)
        assert any(reason in str(caught.value) for reason in ("can run code", "cut off"))
        assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)
    assert not ran.exists()
    pickle.loads((tmp_path / "bare.pt").read_bytes())  # the payload does work
    assert ran.exists()


def header(path, shape, dtype="|u1"):
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        file.write(bytes(100))


def test_headers_that_claim_too_much(tmp_path):
    path = tmp_path / "0.npy"
    for shape in ((10**9, 64, 64, 3), (10**15, 64, 64, 3), (2**62, 64, 64, 3)):
        header(path, shape)
        with pytest.raises(InputError, match=r"0\.npy: cannot be read"):
            arrays.open_video(path, 64)
    path = tmp_path / "0.pt"
    torch.save(torch.zeros(1, dtype=torch.uint8).expand(10**12, 64, 64, 3), path)
    with pytest.raises(InputError, match=r"0\.pt: its tensors need more bytes than the file has"):
        arrays.open_video(path, 64)


def test_compressed_archives_are_refused(tmp_path):
    torch.save(torch.from_numpy(video()), tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as one,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as two,
    ):
        for member in one.infolist():
            two.writestr(member.filename, one.read(member))
    with pytest.raises(InputError, match=r"b\.pt: a compressed archive"):
        arrays.open_pt(tmp_path / "b.pt")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (video().astype(np.float32), "dtype float32, must be uint8"),
        (video(size=32), r"shape \[4, 32, 32, 3\], must be \[T, 64, 64, 3\]"),
        (video()[..., :1], "shape"),
        (video()[0], "shape"),
        (video()[:0], "cannot be read|no frames"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".pt"])
def test_wrong_arrays(tmp_path, value, message, suffix):
    path = tmp_path / f"0{suffix}"
    np.save(path, value) if suffix == ".npy" else torch.save(torch.from_numpy(value.copy()), path)
    with pytest.raises(InputError, match=message) as caught:
        arrays.open_video(path, 64)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
@pytest.mark.parametrize("damage", ["empty", "half", "text", "absent", "folder"])
def test_damaged_arrays(tmp_path, suffix, damage):
    path = tmp_path / f"0{suffix}"
    np.save(path, video()) if suffix == ".npy" else torch.save(torch.from_numpy(video()), path)
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "absent":
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "text": b"hello\n" * 9}[damage])
    with pytest.raises(InputError) as caught:
        arrays.open_video(path, 64)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [[1, 2], {"a": torch.zeros(2)}, torch.eye(3).to_sparse(), torch.zeros(2, device="meta")]
)
def test_other_torch_files(tmp_path, value):
    torch.save(value, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a\.pt: .*must hold (one )?dense tensor"):
        arrays.open_pt(tmp_path / "a.pt")


def test_an_archive_of_arrays_is_not_an_array(tmp_path):
    np.savez(tmp_path / "a.npz", a=video())
    (tmp_path / "a.npz").rename(tmp_path / "0.npy")
    with pytest.raises(InputError, match="one array, not an archive"):
        arrays.open_npy(tmp_path / "0.npy")
