"""What the workflow's scripts share: users' modes, a log file, signals, clear errors."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from viddiff.errors import InputError
from viddiff.inference.user_modes import register_modes

logger = logging.getLogger("viddiff")

STOPPED = 3
"""Exit code of a job that was told to stop, by SIGTERM or SIGINT. What it finished is kept."""


class Stopped(BaseException):
    """The job was told to stop: the signal's name."""


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Know the configuration's modes; log to the job's file, and warnings to standard error too, in the block.

    snakemake: the job as its script sees it, of which the log file and the configuration are read.

    `InputError` and `OSError` become one line in both, and exit code 1; a signal to stop becomes one, and `STOPPED`.
    Any other error is a fault of the program: its traceback goes to both.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        terminal = logging.StreamHandler()
        terminal.setLevel(logging.WARNING)
        terminal.setFormatter(logging.Formatter("%(message)s"))
        file = logging.FileHandler(snakemake.log[0], mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.basicConfig(level=logging.INFO, handlers=[file, terminal])
        register_modes(snakemake.config["modes"])
        yield
    except Stopped as stopped:
        logger.warning("stopped by %s; what is finished is kept, the next call goes on from there", stopped)
        sys.exit(STOPPED)
    except (InputError, OSError) as error:
        logger.error("error: %s", " ".join(str(error).split()))
        sys.exit(1)
    except Exception:
        logger.exception("unexpected error")
        sys.exit(1)


def _stop(number: int, frame: object) -> None:
    raise Stopped(signal.Signals(number).name)
