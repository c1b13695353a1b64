"""Summarise the ELBOs of the first test videos."""

from viddiff.tree.elbos import summarise_elbos
from viddiff.workflow.job import job

with job(snakemake) as work:
    summarise_elbos(work.evaluation, work.number("videos"))
