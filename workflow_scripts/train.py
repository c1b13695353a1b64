"""Train a run, or go on with it. Told to stop, it finishes the training step and saves its state."""

import logging
import signal
import sys

from viddiff.files.write import write_json
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.workflow.job import STOPPED, job, step_bar


def main():
    signals = []
    with job(snakemake) as work:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: signals.append(number))
        config = training_config(snakemake.params.training)
        dataset = work.open_videos(config.dataset, "train")
        with step_bar(config.steps) as progress:
            step = train(
                config,
                dataset,
                snakemake.params.run_dir,
                device=work.device(),
                cores=snakemake.threads,
                progress=progress,
                stop=lambda: bool(signals),
            )
        if step < config.steps:
            logging.warning(
                "stopped at step %d of %d, saved; the same call goes on from there", step, config.steps
            )
            sys.exit(STOPPED)
        write_json(snakemake.output[0], {"step": step})


if __name__ == "__main__":  # processes that load data import this file where Python does not fork
    main()
