"""Train a run, or go on with it. Told to stop, it finishes the training step and saves its state."""

import logging
import signal
import sys
from pathlib import Path

from viddiff.errors import InputError, one_line
from viddiff.files.write import write_json
from viddiff.jobs.watching import TrainingWatch
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.workflow.job import STOPPED, job, step_bar


def held_out(work, dataset):
    """The test videos of a dataset, if it has any."""
    try:
        return work.open_videos(dataset, "test")
    except (InputError, OSError) as error:
        logging.warning("no test videos to look at: %s", one_line(error))
        return None


def main():
    signals = []
    with job(snakemake) as work:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: signals.append(number))
        config = training_config(snakemake.params.training)
        dataset = work.open_videos(config.dataset, "train", config.decode_once)
        device, run_dir = work.device(), Path(snakemake.params.run_dir)
        with step_bar(config.steps) as bar:
            step = train(
                config,
                dataset,
                run_dir,
                device=device,
                cores=snakemake.threads,
                progress=bar.step,
                stop=lambda: bool(signals),
                watch=TrainingWatch(
                    config, run_dir, device, held_out(work, config.dataset), bar.say, bar.row
                ),
            )
        if step < config.steps:
            logging.warning(
                "stopped at step %d of %d, saved; the same call goes on from there", step, config.steps
            )
            sys.exit(STOPPED)
        write_json(snakemake.output[0], {"step": step})


if __name__ == "__main__":  # processes that load data import this file where Python does not fork
    main()
