"""Train a run, or go on with it. Told to stop, it finishes the training step and saves its state."""

import signal
import sys

from tqdm import tqdm

from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.workflow.job import STOPPED, job

signals = []
with job(snakemake) as work:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: signals.append(number))
    config = training_config(snakemake.params.training)
    dataset = work.open_videos(config.dataset, "train")
    with tqdm(total=config.steps, unit="step", mininterval=5.0) as bar:
        step = train(
            config,
            dataset,
            snakemake.params.run_dir,
            device=work.device(),
            progress=lambda step: bar.update(step - bar.n),
            stop=lambda: bool(signals),
        )
if step < config.steps:
    sys.exit(STOPPED)
