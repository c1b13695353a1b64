"""Draw a mode's plan, with its cost."""

from viddiff.jobs.planning import draw_plan_of
from viddiff.workflow.job import job

with job(snakemake) as work:
    draw_plan_of(work.evaluation)
