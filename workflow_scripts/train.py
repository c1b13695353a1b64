"""Train a run, or go on with it. Told to stop, it finishes the training step and saves its state."""

import logging
import os
import signal
import sys
from pathlib import Path

from viddiff.files.write import write_json
from viddiff.jobs.training import train_run, train_together
from viddiff.training.config import training_config
from viddiff.workflow.job import STOPPED, job, step_bar


def main():
    signals = []
    with job(snakemake) as work:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: signals.append(number))
        params, threads = snakemake.params, snakemake.threads
        config, run_dir, stop = training_config(params.training), Path(params.run_dir), lambda: bool(signals)
        if config.processes > 1:
            told = {"training": params.training, "config": snakemake.config, "log": snakemake.log[0]}
            script, gpus = Path(snakemake.scriptdir) / "train_process.py", work.config.device != "cpu"
            step = train_together(config, run_dir, script, told, threads, gpus, os.environ, stop)
        else:
            device = work.device()
            with step_bar(config.steps) as bar:
                step = train_run(config, work.open_videos, run_dir, device, threads, stop, bar)
        if step < config.steps:
            logging.warning(
                "stopped at step %d of %d, saved; the same call goes on from there", step, config.steps
            )
            sys.exit(STOPPED)
        write_json(snakemake.output[0], {"step": step})


if __name__ == "__main__":  # processes that load data import this file where Python does not fork
    main()
