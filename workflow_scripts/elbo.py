"""Measure the ELBOs of a batch of test videos: those whose files are missing."""

import logging
import os

from viddiff.jobs.elbos import measure_elbos
from viddiff.workflow.job import job

with job(snakemake) as work:
    made = measure_elbos(
        work.on_device(os.environ),
        work.evaluation.checkpoint_file(),
        snakemake.params.videos,
        second=work.second_file,
        batch_size=work.config.sampling.batch_size,
        alexnet=work.input("alexnet"),
        precision=work.config.sampling.precision,
        compiled=work.config.sampling.compile,
    )
    logging.info("made %s", ", ".join(path.name for path in made) or "nothing")
