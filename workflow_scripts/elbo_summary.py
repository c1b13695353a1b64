"""Summarise the ELBOs of the first test videos."""

from viddiff.jobs.job import job
from viddiff.tree.elbos import summarise_elbos
from viddiff.tree.paths import Evaluation

with job(snakemake):
    wildcards = snakemake.wildcards
    summarise_elbos(
        Evaluation.named(wildcards.run, wildcards.checkpoint, wildcards.mode), int(wildcards.videos)
    )
