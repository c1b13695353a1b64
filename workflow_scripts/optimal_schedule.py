"""Merge the stages of an optimal schedule."""

from viddiff.optimal_schedule import merge_schedule
from viddiff.results import EvaluationRun
from viddiff.script import job

with job(snakemake):
    wildcards = snakemake.wildcards
    merge_schedule(EvaluationRun(wildcards.run, wildcards.checkpoint, wildcards.mode))
