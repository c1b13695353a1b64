"""Write a mode's cost card."""

from pathlib import Path

from viddiff.inference.plan import Plan
from viddiff.jobs.job import job
from viddiff.report.cost_card import cost_card
from viddiff.tree.paths import Evaluation
from viddiff.workflow.config import read_config

with job(snakemake):
    wildcards, files = snakemake.wildcards, snakemake.input
    training = read_config(snakemake.config).training.get(wildcards.run)
    card = cost_card(
        Evaluation.named(wildcards.run, wildcards.checkpoint, wildcards.mode),
        Plan.read(files.plan),
        training.settings if training else {},
        Path(files.model_config) if files.model_config else None,
        map(Path, files.timings),
    )
    card.write(snakemake.output[0])
