"""Complete a batch of test videos: those whose files are missing."""

import logging
import os

from viddiff.jobs.job import job
from viddiff.jobs.network_job import alexnet_of, network_arguments, origin
from viddiff.jobs.sampling import sample_videos
from viddiff.workflow.config import read_config

with job(snakemake):
    made = sample_videos(
        **network_arguments(snakemake),
        videos=snakemake.params.videos,
        sample=int(snakemake.wildcards.sample),
        alexnet=alexnet_of(snakemake),
        guidance_weight=read_config(snakemake.config).sampling.guidance_weight,
        origin=origin(os.environ),
    )
    logging.info("made %s", ", ".join(path.name for path in made) or "nothing")
