"""Reading files of `torch.save` without trust: tensors and plain values alone, and no more bytes than the file has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from viddiff.errors import InputError, unreadable
from viddiff.files.archives import check_whole, is_archive
from viddiff.files.nested import nested_parts


def load_torch(path: Path, what: str = "checkpoint", mmap: bool = False) -> Any:
    """The content of a file, on the CPU. Nothing in it can run code.

    what: the kind of file, for messages; mmap: read tensors only when they are used, if the file's format allows.
    Raises `InputError` if it is damaged, holds other objects, or tensors that are not dense or larger than the file.
    """
    check_whole(path, what)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap and is_archive(path))
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # the reader of damaged files raises nearly anything
        if match := re.search(r"nsupported (?:global: )?GLOBAL ([\w.]+)", str(error)):
            raise InputError(
                f"{path}: holds objects other than tensors and plain values ({match[1]}); not loaded, since "
                "unpickling can run code"
            ) from None
        raise InputError(f"{path}: cut off, or not a {what}") from None
    _check_tensors(path, content)
    return content


def _check_tensors(path: Path, content: Any) -> None:
    """All tensors are dense, and as they stand there have no more bytes than the file: none repeats its storage."""
    try:
        tensors = [part for part in nested_parts(content) if isinstance(part, Tensor)]
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    for tensor in tensors:
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise InputError(f"{path}: holds a tensor of another kind, must hold dense tensors")
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors) > path.stat().st_size:
        largest = max(tensors, key=Tensor.numel)
        raise InputError(
            f"{path}: its tensors need more bytes than the file has; the largest has shape {list(largest.shape)}"
        )
