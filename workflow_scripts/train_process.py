"""One process of a training by several, started by torchrun or srun: see `viddiff.jobs.training`."""

import json
import logging
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import torch

from viddiff.inference.user_modes import register_modes
from viddiff.jobs.training import TASK, member, train_run
from viddiff.training.config import training_config
from viddiff.training.joining import join
from viddiff.workflow.config import read_config
from viddiff.workflow.job import Work, log_to, step_bar


def main():
    (host, port), signals = sys.argv[1:], []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: signals.append(number))
    with member((host, int(port)), os.environ) as (board, place):
        told = SimpleNamespace(**json.loads(board.read(TASK)))
        first = place.rank == 0
        log_to(told.log) if first else logging.getLogger().addHandler(logging.NullHandler())
        work = Work(told, read_config(told.config))
        register_modes(work.config.modes)
        config = training_config(told.training)
        torch.set_num_threads(told.threads)
        processes, device = join(board, place, work.config.device)

        def stop():
            return bool(signals) or (first and board.read("stop") is not None)

        with step_bar(config.steps) if first else nullcontext() as bar:
            places = Path(told.run_dir), device, told.threads
            step = train_run(config, work.open_videos, *places, stop, bar, processes)
        board.put("step", str(step))


if __name__ == "__main__":  # processes that load data import this file where Python does not fork
    main()
