"""Train a run, or go on with it. Exit code 3: told to stop (SIGTERM), state saved."""

import signal
import sys

import torch
from tqdm import tqdm

from viddiff.data import open_dataset
from viddiff.script import job
from viddiff.training.config import training_config
from viddiff.training.loop import train

signals = []
signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    config, params = training_config(snakemake.params.training), snakemake.params
    cache = snakemake.config["data_cache"]
    dataset = open_dataset(config.dataset, "train", params.data_root, snakemake.config, cache)
    with tqdm(total=config.steps, unit="step", mininterval=5.0) as bar:
        step = train(
            config,
            dataset,
            params.run_dir,
            device="cuda" if torch.cuda.is_available() else "cpu",
            progress=lambda step: bar.update(step - bar.n),
            stop=lambda: bool(signals),
        )
if step < config.steps:
    sys.exit(3)
