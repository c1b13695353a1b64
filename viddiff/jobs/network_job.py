"""What jobs that run a network take from Snakemake and the configuration."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from viddiff.data import open_dataset
from viddiff.errors import InputError
from viddiff.tree.paths import Evaluation
from viddiff.workflow.config import Configuration, read_config

log = logging.getLogger(__name__)


def network_arguments(snakemake: Any) -> dict[str, Any]:
    """The arguments that `sample_videos`, `measure_elbos` and `search_stage` share.

    Sets the number of threads. Raises `InputError` as `device_of`.
    """
    torch.set_num_threads(snakemake.threads)
    wildcards, config = snakemake.wildcards, read_config(snakemake.config)
    return {
        "evaluation": Evaluation.named(wildcards.run, wildcards.checkpoint, wildcards.mode),
        "checkpoint_path": Path(snakemake.input.checkpoint),
        "open_videos": lambda name, split: open_dataset(
            name, split, config.data_root, config.datasets, config.data_cache
        ),
        "batch_size": config.sampling.batch_size,
        "device": device_of(config),
        "progress": LoggedProgress(),
    }


def device_of(config: Configuration) -> str:
    """The device by the configuration's key `device`. Raises `InputError` if it wants a GPU and there is none."""
    wanted, found = config.device, torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise InputError(
            "config key device is cuda, but PyTorch finds no GPU here; with auto the job would run on the CPU"
        )
    if wanted == "auto" and not found:
        log.warning("no GPU found: runs on the CPU, threads: %d", torch.get_num_threads())
    return "cuda" if found and wanted != "cpu" else "cpu"


def alexnet_of(snakemake: Any) -> Path | None:
    """The LPIPS weights of jobs that need them."""
    return Path(snakemake.input.alexnet) if snakemake.input.alexnet else None


def origin(environment: Mapping[str, str]) -> dict[str, str | None]:
    """What a job's record says of the call that it belongs to."""
    return {
        "command": environment.get("VIDDIFF_COMMAND"),  # set by the Snakefile
        "slurm_job": environment.get("SLURM_JOB_ID"),
        "host": socket.gethostname(),
    }


class LoggedProgress:
    """Logs progress in steps of 5% at least, so that a log stays short enough to be shown whole."""

    def __init__(self) -> None:
        self._logged = -1

    def __call__(self, done: int, total: int) -> None:
        if 20 * done // total > self._logged:
            self._logged = 20 * done // total
            log.info("%d of %d", done, total)
