"""Merge the stages of an optimal schedule."""

from viddiff.jobs.job import job
from viddiff.tree.paths import Evaluation
from viddiff.tree.schedules import merge_schedule

with job(snakemake):
    wildcards = snakemake.wildcards
    merge_schedule(Evaluation.named(wildcards.run, wildcards.checkpoint, wildcards.mode))
