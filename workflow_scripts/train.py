"""Train a run, or go on with it. Told to stop, it finishes the training step and saves its state."""

import signal
import sys

import torch
from tqdm import tqdm

from viddiff.data import open_dataset
from viddiff.jobs.job import STOPPED, job
from viddiff.jobs.network_job import device_of
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.workflow.config import read_config

signals = []
with job(snakemake):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: signals.append(number))
    torch.set_num_threads(snakemake.threads)
    config, params = training_config(snakemake.params.training), snakemake.params
    settings = read_config(snakemake.config)
    dataset = open_dataset(
        config.dataset, "train", settings.data_root, settings.datasets, settings.data_cache
    )
    with tqdm(total=config.steps, unit="step", mininterval=5.0) as bar:
        step = train(
            config,
            dataset,
            params.run_dir,
            device=device_of(settings),
            progress=lambda step: bar.update(step - bar.n),
            stop=lambda: bool(signals),
        )
if step < config.steps:
    sys.exit(STOPPED)
