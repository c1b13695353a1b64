"""Train a run or go on with it. Run by the rule `train`; exit code 3: told to stop (SIGTERM), state saved."""

import logging
import signal
import sys

import torch
from tqdm import tqdm

import viddiff.data  # noqa: F401 registers the datasets
from viddiff.data.base import open_dataset
from viddiff.errors import InputError
from viddiff.training.config import training_config
from viddiff.training.loop import train

signals = []
signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
logging.basicConfig(level=logging.INFO, format="%(message)s")
job = snakemake
torch.set_num_threads(job.threads)
try:
    config = training_config(job.params.training)
    dataset = open_dataset(config.dataset, "train", job.params.data_root, job.config)
    with tqdm(total=config.steps, unit="step", mininterval=5.0) as bar:
        step = train(
            config,
            dataset,
            job.params.run_dir,
            device="cuda" if torch.cuda.is_available() else "cpu",
            progress=lambda step: bar.update(step - bar.n),
            stop=lambda: bool(signals),
        )
except (InputError, OSError) as error:
    sys.exit(f"train: {error}")
if step < config.steps:
    sys.exit(3)
