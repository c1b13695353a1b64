"""The batches of training steps, loaded by other processes ahead of time."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Generator

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch.utils.data import DataLoader, Dataset

from viddiff.data.base import TrainingCrops, VideoDataset
from viddiff.errors import InputError
from viddiff.training.config import TrainingConfig
from viddiff.training.epochs import Epochs
from viddiff.training.masks import sample_masks
from viddiff.training.step import MASKS, step_seed
from viddiff.training.windows import StoredWindow, frame_indices, make_window, marked_frames
from viddiff.window import Window

CPU = torch.device("cpu")
CROPS_OF_WINDOWS, CROPS_OF_PADDING = range(2)


def training_windows(
    config: TrainingConfig,
    dataset: VideoDataset,
    start: int,
    cores: int = 1,
    device: torch.device = CPU,
    rows: slice = slice(None),
) -> Generator[Window, None, None]:
    """The batches of training steps `start` to `config.steps - 1` on a device, loaded by processes on `cores`.

    rows: of each batch, which alone are read. Raises `InputError` for broken data.
    """
    workers = config.num_workers if config.num_workers >= 0 else max(1, cores - 1)
    loader = DataLoader(
        TrainingWindows(config, dataset, rows),
        batch_size=None,
        sampler=range(start, config.steps),
        num_workers=workers,
        worker_init_fn=ignore_signals,
    )
    windows = iter(loader)
    try:
        while True:
            broken = None
            try:
                window = next(windows)
            except StopIteration:
                return
            except (OSError, EOFError) as error:  # of the connection, since those of the data come as windows
                time.sleep(1.0)  # until torch raises that the process is dead, if it is
                broken = f"a process that loads data does not answer: {error!r}"
            if broken is not None:
                raise InputError(broken)  # not from the error, which keeps the processes
            if isinstance(window, Exception):
                raise window
            yield window.on(device)
    finally:
        del windows  # ends its processes, which ignore signals: as long as one is there, Python cannot exit


def ignore_signals(worker: int) -> None:
    """A signal to stop goes to all processes of a job; only the one that trains decides what it means."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def killed_worker(error: RuntimeError) -> str | None:
    """One line if an error, which can come up anywhere, is torch's way to tell that a process which loads data died."""
    match = re.search(r"DataLoader worker \(pid.*?\) (.*)", str(error))
    if match is None:
        return None
    return (
        f"a process that loads data {match[1].strip().rstrip('.')}; the same call goes on from the newest "
        "checkpoint; if memory was short, fewer num_workers need less"
    )


def available_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class TrainingWindows(Dataset):
    """Item n is the batch of training step n, or these rows of it; it depends on the seed and n alone.

    What is wrong with the data is an item too: raised in a worker, the message would become a traceback.
    """

    def __init__(self, config: TrainingConfig, dataset: VideoDataset, rows: slice = slice(None)):
        self.config = config
        self.rows = rows
        self.crops = TrainingCrops(dataset, config.T, config.seed)
        self.epochs = [
            Epochs(len(dataset), config.seed, kind) for kind in (CROPS_OF_WINDOWS, CROPS_OF_PADDING)
        ]

    def __getitem__(self, step: int) -> StoredWindow | Exception:
        try:
            return self.batch(step)
        except (InputError, OSError) as error:
            return error

    def batch(self, step: int) -> StoredWindow:
        """The batch of a training step. Raises `InputError` or `OSError` for broken data."""
        config = self.config
        generator = np.random.default_rng(step_seed(config.seed, step, MASKS))
        observed, latent = sample_masks(
            config.mask_distribution, config.T, config.max_frames, config.batch_size, generator
        )
        index = frame_indices(observed, latent, config.max_frames, config.pad_with_random_frames, generator)
        counts = marked_frames(observed, latent).tolist()
        own = self.rows
        frames = [self._frames(step, row, index[row], counts[row]) for row in range(config.batch_size)[own]]
        return make_window(np.stack(frames), index[own], observed[own], latent[own])

    def _frames(
        self, step: int, row: int, index: Int64[np.ndarray, " K"], marked: int
    ) -> UInt8[np.ndarray, "K C H W"]:
        """The frames of a window by their numbers: they alone are read, random ones that pad from another crop."""
        if marked == len(index) or not self.config.pad_with_random_frames:
            return self._gather(step, row, index)
        padding = self._gather(step, row, index[marked:], CROPS_OF_PADDING)
        return np.concatenate([self._gather(step, row, index[:marked]), padding])

    def _gather(
        self, step: int, row: int, numbers: Int64[np.ndarray, " n"], kind: int = CROPS_OF_WINDOWS
    ) -> UInt8[np.ndarray, "n C H W"]:
        batch = self.config.batch_size
        video = self.epochs[kind].video(step * batch + row) if self.config.without_replacement else None
        return self.crops.gather((2 * step + kind) * batch + row, numbers, video)
