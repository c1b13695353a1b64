"""Search the observed frames of one stage of an optimal schedule."""

import os

from viddiff.jobs.search import search_stage
from viddiff.workflow.job import job

with job(snakemake) as work:
    search_stage(
        work.on_device(os.environ),
        work.evaluation.checkpoint_file(),
        work.number("stage"),
        work.config.optimal,
        batch_size=work.config.sampling.batch_size,
    )
