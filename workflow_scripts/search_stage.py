"""Search the observed frames of one stage of an optimal schedule."""

import logging
from pathlib import Path

import torch

from viddiff.data import open_dataset
from viddiff.optimal import search_stage
from viddiff.optimal_schedule import SearchSettings
from viddiff.results import EvaluationRun
from viddiff.script import job

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    wildcards, config = snakemake.wildcards, snakemake.config
    search_stage(
        EvaluationRun(wildcards.run, wildcards.checkpoint, wildcards.mode),
        Path(snakemake.input.checkpoint),
        lambda name, split: open_dataset(name, split, config["data_root"], config, config["data_cache"]),
        int(wildcards.stage),
        SearchSettings(**config["optimal"]),
        batch_size=config["sampling"]["batch_size"],
        device="cuda" if torch.cuda.is_available() else "cpu",
        progress=lambda chosen, count: logging.info("frame %d of %d", chosen, count),
    )
