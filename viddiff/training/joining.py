"""How the processes of a training find each other, and what must be the same for all before any work begins.

The job that starts them keeps a board, a store of `torch.distributed`, where they leave what it has to know: what is
wrong, the step that was reached. So it is told once, whoever it was that found it.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from datetime import timedelta

import torch
from torch import distributed

import viddiff
from viddiff.device import find_device
from viddiff.errors import InputError
from viddiff.training.processes import FirstFailed, Processes

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others in a training step, which may begin with minutes of compiling."""


@dataclass(frozen=True)
class Place:
    """Where a process is. rank: among all; count: of all; local: its number on its machine."""

    rank: int
    count: int
    local: int


@dataclass(frozen=True)
class Fact:
    """What a process tells the others of itself. lack: why it has no device, or ""."""

    host: str
    torch: str
    viddiff: str
    device: str
    lack: str = ""


class Board:
    """What the processes of a training and the job that started them tell each other."""

    def __init__(self, store: distributed.Store) -> None:
        self.store = store

    def put(self, key: str, value: str = "") -> None:
        """Write a line; the first one of its key stays."""
        self.store.compare_set(key, "", value or " ")

    def read(self, key: str) -> str | None:
        """The line of a key, `None` if there is none."""
        return self.store.get(key).decode().strip() if self.store.check([key]) else None


def own_device(wanted: str, place: Place) -> torch.device:
    """The device of a process: a GPU of its own, or with `cpu` the processor, which all on a machine share.

    Raises `InputError` if there is none.
    """
    device = find_device(wanted)
    if device.type != "cuda":
        if wanted != "cpu":
            raise InputError("finds no GPU; with device: cpu the processes share the processor")
        return device
    if place.local >= (found := torch.cuda.device_count()):
        raise InputError(f"needs GPU {place.local} (from 0), PyTorch finds {found}")
    return torch.device("cuda", place.local)


def join(board: Board, place: Place, wanted: str) -> tuple[Processes, torch.device]:
    """Find the others, and become a group with them.

    wanted: the configured device. Raises `InputError`, the same for all, if a process has no device or other versions
    of PyTorch or viddiff than the first one, or if one does not come.
    """
    device, lack = torch.device("cpu"), ""
    try:
        device = own_device(wanted, place)
    except InputError as error:
        lack = str(error)
    own = Fact(socket.gethostname(), torch.__version__, viddiff.__version__, device.type, lack)
    facts = _exchanged(board, place, own)
    check_facts(facts)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=distributed.PrefixStore("group", board.store),
        rank=place.rank,
        world_size=place.count,
        timeout=PATIENCE,
        device_id=device if device.type == "cuda" else None,
    )
    return Processes(place.rank, place.count, distributed.PrefixStore("first", board.store)), device


def _exchanged(board: Board, place: Place, own: Fact) -> list[Fact]:
    """The facts of all processes, by rank."""
    board.store.set(f"fact_{place.rank}", json.dumps(asdict(own)))
    facts = []
    for rank in range(place.count):
        try:
            board.store.wait([f"fact_{rank}"], timedelta(minutes=5))
        except RuntimeError:
            raise InputError(f"process {rank} of {place.count} did not come within 5 minutes") from None
        facts.append(Fact(**json.loads(board.store.get(f"fact_{rank}"))))
    return facts


def check_facts(facts: list[Fact]) -> None:
    """Raise `InputError` if a process has no device, or not what the first one has."""
    for rank, fact in enumerate(facts):
        name = f"process {rank} of {len(facts)}, on {fact.host},"
        if fact.lack:
            raise InputError(f"{name} {fact.lack}: training keys nodes and gpus say how many processes train")
        for what in ("torch", "viddiff", "device"):
            if (has := getattr(fact, what)) != (first := getattr(facts[0], what)):
                raise InputError(
                    f"{name} has {what} {has}, process 0 on {facts[0].host} has {first}; must be the same for all"
                )


def is_of_another(error: BaseException) -> bool:
    """Whether an error says that another process does not answer, rather than what is wrong in this one."""
    if isinstance(error, distributed.DistBackendError | distributed.DistNetworkError | FirstFailed):
        return True
    return isinstance(error, RuntimeError) and ("gloo" in str(error) or "NCCL" in str(error))
