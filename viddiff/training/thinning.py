"""Old sets of files of a run, removed where `keep_last` asks for it."""

from __future__ import annotations

import logging
from pathlib import Path

from viddiff.checkpoint import load_tensors
from viddiff.files.write import sha256_file
from viddiff.training.config import TrainingConfig
from viddiff.training.run_files import is_own, kept_steps, run_files

logger = logging.getLogger(__name__)


def thin_out(run_dir: Path, config: TrainingConfig) -> None:
    """Remove the sets of a run that do not stay, see `kept_steps`.

    Which ones do does not depend on where the run was stopped: a set saved for that goes when the next is there.

    A file goes only if the opt file of its set knows it by its hash, which goes last: what somebody else put there
    stays, with a warning.
    """
    files = run_files(run_dir)
    opts = {
        file.step: file.path
        for file in files
        if file.step is not None and file.kind == "opt" and is_own(file.path)
    }
    planned = [step for step in opts if step % config.save_interval == 0 or step == config.steps]
    kept = {max(opts, default=0), *kept_steps(planned, config.keep_last, config.keep_every)}
    for step in sorted(opts.keys() - kept):
        hashes = load_tensors(opts[step], mmap=True)["sha256"]
        for file in files:
            if file.step != step or file.kind == "opt":
                continue
            if sha256_file(file.path) == hashes.get(file.kind):
                file.path.unlink()
            else:
                logger.warning(
                    "%s: not removed, as keep_last asks: it is not as training wrote it", file.path
                )
        opts[step].unlink()
