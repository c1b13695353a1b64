"""What the workflow's scripts share: users' own modes, a log file, one clear line for what the user can put right."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from viddiff.errors import InputError
from viddiff.inference.user_modes import register_modes

logger = logging.getLogger("viddiff")


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Know the configuration's modes; log to the job's file, and warnings to standard error too, in the block.

    snakemake: the job as its script sees it, of which the log file and the configuration are read.

    `InputError` and `OSError` become one line in both, and exit code 1. Any other error is a fault of the
    program: its traceback goes to both.
    """
    try:
        terminal = logging.StreamHandler()
        terminal.setLevel(logging.WARNING)
        terminal.setFormatter(logging.Formatter("%(message)s"))
        file = logging.FileHandler(snakemake.log[0], mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.basicConfig(level=logging.INFO, handlers=[file, terminal])
        register_modes(snakemake.config["modes"])
        yield
    except (InputError, OSError) as error:
        logger.error("error: %s", " ".join(str(error).split()))
        sys.exit(1)
    except Exception:
        logger.exception("unexpected error")
        sys.exit(1)
