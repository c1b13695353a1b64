"""Write a mode's cost card."""

from pathlib import Path

from viddiff.jobs.planning import write_cost
from viddiff.workflow.job import job

with job(snakemake) as work:
    run = work.config.training.get(work.evaluation.run)
    timings = map(Path, snakemake.input.timings)
    write_cost(work.evaluation, run.settings if run else {}, work.input("model_config"), timings)
