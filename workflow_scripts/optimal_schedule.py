"""Merge the stages of an optimal schedule."""

from viddiff.tree.schedules import merge_schedule
from viddiff.workflow.job import job

with job(snakemake) as work:
    merge_schedule(work.evaluation)
