"""Measure the ELBOs of a batch of test videos: those whose files are missing."""

import logging
from pathlib import Path

import torch

from viddiff.data import open_dataset
from viddiff.elbos import measure_elbos
from viddiff.results import EvaluationRun
from viddiff.script import job

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    wildcards, config = snakemake.wildcards, snakemake.config
    made = measure_elbos(
        EvaluationRun(wildcards.run, wildcards.checkpoint, wildcards.mode),
        Path(snakemake.input.checkpoint),
        lambda name, split: open_dataset(name, split, config["data_root"], config, config["data_cache"]),
        snakemake.params.videos,
        batch_size=config["sampling"]["batch_size"],
        alexnet=Path(snakemake.input.alexnet) if snakemake.input.alexnet else None,
        device="cuda" if torch.cuda.is_available() else "cpu",
        progress=lambda done, total: logging.info("stage %d of %d", done, total),
    )
    logging.info("made %s", ", ".join(path.name for path in made) or "nothing")
