"""Measure samples against the test videos."""

from pathlib import Path

import torch

from viddiff.evaluation import evaluate_samples
from viddiff.metrics.base import MetricSettings
from viddiff.metrics.record import write_evaluation
from viddiff.results import EvaluationRun
from viddiff.script import job

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    wildcards, config = snakemake.wildcards, snakemake.config
    settings = MetricSettings(
        device="cuda" if torch.cuda.is_available() and config["device"] != "cpu" else "cpu",
        ssim_data_range=config["metrics"]["ssim_data_range"],
        alexnet=Path(snakemake.input.alexnet) if snakemake.input.get("alexnet") else None,
    )
    evaluation = evaluate_samples(
        EvaluationRun(wildcards.run, wildcards.checkpoint, wildcards.mode),
        *(int(wildcards[name]) for name in ("videos", "samples", "T")),
        config,
        settings,
    )
    write_evaluation(evaluation, Path(snakemake.output.pkl), Path(snakemake.output.json))
