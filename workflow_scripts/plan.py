"""Write a mode's plan, unless samples made by another one exist."""

from viddiff.jobs.planning import write_plan
from viddiff.workflow.job import job

with job(snakemake) as work:
    write_plan(work.evaluation)
