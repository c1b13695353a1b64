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
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(
        level=logging.INFO, format=form, handlers=[logging.FileHandler(log, mode="w"), terminal]
    )
    terminal.setFormatter(logging.Formatter("%(message)s"))
    try:
        yield
    except (InputError, OSError) as error:
        logger.error("error: %s", " ".join(str(error).split()))
        sys.exit(1)
    except Exception:
        logger.exception("unexpected error")
        sys.exit(1)
