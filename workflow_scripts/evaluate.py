"""Measure samples against the test videos."""

from pathlib import Path

import torch

from viddiff.jobs.job import job
from viddiff.jobs.measurement import measure_samples
from viddiff.metrics.base import MetricSettings
from viddiff.metrics.record import write_measurement
from viddiff.tree.paths import Evaluation
from viddiff.workflow.config import read_config

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    wildcards, config = snakemake.wildcards, read_config(snakemake.config)
    settings = MetricSettings(
        device="cuda" if torch.cuda.is_available() and config.device != "cpu" else "cpu",
        ssim_data_range=config.metrics.ssim_data_range,
        alexnet=Path(snakemake.input.alexnet) if snakemake.input.get("alexnet") else None,
    )
    measurement = measure_samples(
        Evaluation.named(wildcards.run, wildcards.checkpoint, wildcards.mode),
        *(int(wildcards[name]) for name in ("videos", "samples", "T")),
        config,
        settings,
    )
    write_measurement(measurement, Path(snakemake.output.pkl), Path(snakemake.output.json))
