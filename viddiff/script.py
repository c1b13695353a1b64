"""What the workflow's scripts share: a log file, and one clear line if the user can put something right."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from viddiff.errors import InputError

logger = logging.getLogger("viddiff")


@contextmanager
def job(log: str) -> Iterator[None]:
    """Log to the file `log`, and warnings to standard error too, while the block runs.

    `InputError` and `OSError` become one line in both, and exit code 1. Any other error is a fault of the
    program: its traceback goes to both.
    """
    try:
        terminal = logging.StreamHandler()
        terminal.setLevel(logging.WARNING)
        terminal.setFormatter(logging.Formatter("%(message)s"))
        file = logging.FileHandler(log, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.basicConfig(level=logging.INFO, handlers=[file, terminal])
        yield
    except (InputError, OSError) as error:
        logger.error("error: %s", " ".join(str(error).split()))
        sys.exit(1)
    except Exception:
        logger.exception("unexpected error")
        sys.exit(1)
