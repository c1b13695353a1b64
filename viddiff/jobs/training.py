"""A training by several processes: the job that starts them and waits for their end, and what each of them begins with.

On one machine torchrun starts them; on several, srun in a job of SLURM, a task for each GPU. The job that starts them
keeps their board (see `viddiff.training.joining`), and tells what they left there once.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import distributed

from viddiff.data.base import VideoDataset
from viddiff.errors import InputError, one_line
from viddiff.jobs.job import OpenVideos
from viddiff.jobs.watching import TrainingWatch
from viddiff.training.config import TrainingConfig
from viddiff.training.joining import Board, Place, is_of_another
from viddiff.training.loop import train
from viddiff.training.processes import ALONE, Processes
from viddiff.training.run_files import trained_step
from viddiff.training.watch import Watch

log = logging.getLogger(__name__)

TASK = "task"  # on the board: what the processes are to do

_TORCHRUN = """
import sys
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

try:
    main()
except (ChildFailedError, SignalException):
    sys.exit(1)
"""
"""torchrun, without what it prints of processes that failed: the board has it."""


@runtime_checkable
class Bar(Protocol):
    """Where a person sees how a training goes."""

    def step(self, step: int) -> None:
        """So many training steps are made."""

    def row(self, row: Mapping[str, float]) -> None:
        """A row of the log."""

    def say(self, text: str) -> None:
        """A line."""


def train_run(
    config: TrainingConfig,
    open_videos: Callable[..., VideoDataset],
    run_dir: Path,
    device: torch.device,
    cores: int,
    stop: Callable[[], bool],
    bar: Bar | None,
    processes: Processes = ALONE,
) -> int:
    """Train, alone or as one of several processes, of which the first has a bar. Returns the step that was reached.

    open_videos: a dataset by name and split, and whether its videos are decoded once.
    """
    dataset = open_videos(config.dataset, "train", config.decode_once)
    watch, progress = Watch(), _unseen
    if bar is not None:
        held_out = _held_out(open_videos, config.dataset)
        watch, progress = TrainingWatch(config, run_dir, device, held_out, bar.say, bar.row), bar.step
    return train(
        config,
        dataset,
        run_dir,
        device=device,
        cores=cores,
        progress=progress,
        stop=stop,
        watch=watch,
        processes=processes,
    )


def _held_out(open_videos: OpenVideos, dataset: str) -> VideoDataset | None:
    """The test videos of a dataset, if it has any."""
    try:
        return open_videos(dataset, "test")
    except (InputError, OSError) as error:
        log.warning("no test videos to look at: %s", one_line(error))
        return None


def _unseen(step: int) -> None:
    pass


def train_together(
    config: TrainingConfig,
    run_dir: Path,
    script: Path,
    told: Mapping[str, Any],
    threads: int,
    gpus: bool,
    environment: Mapping[str, str],
    stop: Callable[[], bool],
) -> int:
    """Have the processes of a training do their work; returns the step that they reached.

    script: of a process, which is called with host and port of the board, where `TASK` is a JSON object: `told`, and
    `run_dir` and `threads` beside it.
    threads: of this job on one machine, of each process on several. gpus: whether SLURM is to give them GPUs. stop:
    asked several times in a second.

    Raises `InputError`, one line: what a process found wrong, or which of them was lost.
    """
    several = config.nodes > 1
    if several and "SLURM_JOB_ID" not in environment:
        raise InputError(
            f"training key nodes is {config.nodes}; several machines need a job of SLURM, here nodes must be 1"
        )
    host = socket.gethostname() if several else "127.0.0.1"
    store = distributed.TCPStore(host, 0, is_master=True, wait_for_workers=False)
    board = Board(store)
    own = threads if several else max(1, threads // config.gpus)
    board.put(TASK, json.dumps({**told, "run_dir": str(run_dir), "threads": own}))  # too long for an argument
    command = [sys.executable, str(script), host, str(store.port)]
    if several:
        command = srun(config, own, gpus) + command
    else:
        torchrun = [sys.executable, "-c", _TORCHRUN, "--standalone", f"--nproc-per-node={config.gpus}"]
        command = [*torchrun, *command[1:]]
    quiet = {"LOGLEVEL": "CRITICAL", "OMP_NUM_THREADS": environment.get("OMP_NUM_THREADS", str(own))}
    starter = subprocess.Popen(command, env={**environment, **quiet}, start_new_session=True)
    try:
        while not _has_ended(starter):
            if stop():
                board.put("stop")
    finally:
        if starter.poll() is None:
            starter.terminate()
    return _outcome(board, config, run_dir)


def srun(config: TrainingConfig, threads: int, gpus: bool) -> list[str]:
    """The beginning of a command that SLURM runs as many times as there are processes, in the job that asks for it."""
    return [
        "srun",
        "--quiet",
        f"--nodes={config.nodes}",
        f"--ntasks={config.processes}",
        f"--ntasks-per-node={config.gpus}",
        f"--cpus-per-task={threads}",
        *([f"--gpus-per-node={config.gpus}"] if gpus else []),
        "--kill-on-bad-exit=1",
    ]


@contextmanager
def member(address: Sequence[Any], environment: Mapping[str, str]) -> Iterator[tuple[Board, Place]]:
    """What a process begins with: the board, and its place. What goes wrong in the block goes to the board.

    address: of the board, host and port.
    """
    place = place_in(environment)
    host, port = address
    store = distributed.TCPStore(host, port, is_master=False, timeout=timedelta(minutes=5))
    board = Board(store)
    try:
        yield board, place
    except Exception as error:
        if isinstance(error, InputError | OSError):
            board.put("error", one_line(error))
        elif not is_of_another(error):
            board.put("fault", f"process {place.rank}: {traceback.format_exc()}")
        board.put(f"ended_{place.rank}")
        sys.exit(1)
    board.put(f"ended_{place.rank}")


def place_in(environment: Mapping[str, str]) -> Place:
    """Where a process is, as torchrun tells it, or srun. Raises `InputError` if neither does."""
    for names in (("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")):
        if all(name in environment for name in names):
            return Place(*(int(environment[name]) for name in names))
    raise InputError("this process of a training was started neither by torchrun nor by srun")


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        return False
    return True


def _outcome(board: Board, config: TrainingConfig, run_dir: Path) -> int:
    """The step that was reached. Raises `InputError` if the training ended before it said so."""
    if error := board.read("error"):
        raise InputError(error)
    if fault := board.read("fault"):
        raise RuntimeError(fault)
    ranks = range(config.processes)
    lost = [rank for rank in ranks if board.read(f"ended_{rank}") is None]
    if not lost and (step := board.read("step")):
        return int(step)
    who = "the processes of the training do not answer each other"
    if lost:
        hosts = {json.loads(fact)["host"] for rank in lost if (fact := board.read(f"fact_{rank}"))}
        which = "a process" if len(lost) == 1 else "processes"
        where = f" on {', '.join(sorted(hosts))}" if hosts else ""
        numbers = f"{', '.join(map(str, lost))} of {len(ranks)},"
        who = f"{which} of the training, {numbers}{where} died (killed, or short of memory?)"
    saved = trained_step(run_dir, config.ema_rates)
    after = f"the newest checkpoint, of step {saved}" if saved else "its beginning"
    raise InputError(f"{who}; the same call goes on from {after}, with any number of processes")
