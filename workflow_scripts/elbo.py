"""Measure the ELBOs of a batch of test videos: those whose files are missing."""

import logging
import os

from viddiff.jobs.elbos import measure_elbos
from viddiff.jobs.job import job
from viddiff.jobs.network_job import alexnet_of, network_arguments, origin

with job(snakemake):
    made = measure_elbos(
        **network_arguments(snakemake),
        videos=snakemake.params.videos,
        alexnet=alexnet_of(snakemake),
        origin=origin(os.environ),
    )
    logging.info("made %s", ", ".join(path.name for path in made) or "nothing")
