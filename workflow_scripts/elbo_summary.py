"""Summarise the ELBOs of the first test videos."""

from viddiff.elbo_files import summarise_elbos
from viddiff.results import EvaluationRun
from viddiff.script import job

with job(snakemake):
    wildcards = snakemake.wildcards
    summarise_elbos(EvaluationRun(wildcards.run, wildcards.checkpoint, wildcards.mode), int(wildcards.videos))
