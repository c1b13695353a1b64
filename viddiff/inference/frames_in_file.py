"""Frames of long videos while they are made: in a file, so that memory holds those of windows alone."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from viddiff.errors import OutputError

# A slice of all rows, or a whole number, or a tensor that is broadcast against the other one.
Rows = slice | int | Int[Tensor, " ..."]
Numbers = Sequence[int] | Int[Tensor, " ..."]


class FramesInFile:
    """Frames `[B, T, C, H, W]` in float32, 0 at first, that are read and written as those of a tensor.

    Indexed by rows and numbers of frames: `frames[:, [3, 4]]`, `frames[row, [3, 4]]`, `frames[rows, numbers]` with two
    tensors. What is read is a tensor on `device`. The file has no name, and is gone with the process; its folder is
    made where it is missing.

    Raises `OutputError` with the folder's name if the system refuses to write.
    """

    def __init__(self, folder: Path, shape: Sequence[int], device: torch.device) -> None:
        self.shape, self.device, self._folder = tuple(shape), device, folder
        self._bytes = 4 * math.prod(shape[2:])  # of a frame
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(prefix=".tmp-", dir=folder, buffering=0)  # noqa: SIM115  as long as self
            os.truncate(self._file.fileno(), self._bytes * math.prod(shape[:2]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: tuple[Rows, Numbers]) -> Float[Tensor, "*N C H W"]:
        places = self._places(*key)
        read = np.empty((places.numel(), *self.shape[2:]), np.float32)
        for frame, place in zip(read, places.flatten().tolist(), strict=True):
            if os.preadv(self._file.fileno(), [frame.data], place * self._bytes) != self._bytes:
                raise OSError(f"{self._folder}: the file of frames was cut off")
        return torch.from_numpy(read).view(*places.shape, *self.shape[2:]).to(self.device)

    def __setitem__(self, key: tuple[Rows, Numbers], frames: Float[Tensor, "*N C H W"]) -> None:
        places = self._places(*key)
        written = frames.to("cpu", torch.float32).expand(*places.shape, *self.shape[2:]).contiguous()
        with self._writing():
            for frame, place in zip(written.flatten(0, -4), places.flatten().tolist(), strict=True):
                if os.pwrite(self._file.fileno(), frame.numpy().data, place * self._bytes) != self._bytes:
                    raise OSError("not all of a frame was written")

    def _places(self, rows: Rows, numbers: Numbers) -> Int[Tensor, " ..."]:
        """Where frames lie in the file, counted in frames."""
        found = torch.as_tensor(numbers, dtype=torch.long, device="cpu")
        if isinstance(rows, slice):
            return torch.arange(len(self))[rows, None] * self.shape[1] + found
        return torch.as_tensor(rows, dtype=torch.long, device="cpu") * self.shape[1] + found

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write frames in {self._folder}: {error.strerror or error}") from error
