"""A part of a benchmark in a process of its own, which is stopped when its time is over; rows come as they are found.

So a part that hangs, or that leaves the device unusable, takes nothing from the others.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

Row = dict[str, Any] | str
"""A row of a table, by its columns; or a remark."""

Part = Callable[..., Iterable[Row]]


class PartFailed(RuntimeError):
    """A part did not come to its end, for that reason."""


class TimeOver(PartFailed):
    """It took too long."""


def rows_of(part: Part, arguments: tuple[Any, ...], seconds: float) -> Iterator[Row]:
    """The rows of a part, as it finds them. Raises `PartFailed` if it fails, `TimeOver` if its time is over."""
    if seconds <= 0:
        raise TimeOver("not begun: no time is left")
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_rows, args=(sender, part, arguments))
    end = time.monotonic() + seconds
    process.start()
    sender.close()
    try:
        while True:
            if not receiver.poll(max(0.0, end - time.monotonic())):
                raise TimeOver(f"stopped after {seconds:.0f} s, its limit")
            try:
                row, reason = receiver.recv()
            except EOFError:
                process.join()
                raise PartFailed(f"its process ended with code {process.exitcode}") from None
            if reason is not None:
                raise PartFailed(reason)
            if row is None:
                return
            yield row
    finally:
        with contextlib.suppress(ProcessLookupError):  # with the processes that it has started
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.kill()
        process.join()


def _send_rows(sender: Connection, part: Part, arguments: tuple[Any, ...]) -> None:
    os.setsid()
    try:
        for row in part(*arguments):
            sender.send((row, None))
    except Exception as error:  # all of them are told
        lines = str(error).strip().splitlines()
        sender.send((None, f"{type(error).__name__}: {lines[0] if lines else ''}"))
    else:
        sender.send((None, None))
