"""Complete a batch of test videos: those whose files are missing."""

import logging
import os

from viddiff.network_job import alexnet_of, network_arguments, origin
from viddiff.sampling import sample_videos
from viddiff.script import job

with job(snakemake):
    made = sample_videos(
        **network_arguments(snakemake),
        videos=snakemake.params.videos,
        sample=int(snakemake.wildcards.sample),
        alexnet=alexnet_of(snakemake),
        guidance_weight=snakemake.config["sampling"]["guidance_weight"],
        origin=origin(os.environ),
    )
    logging.info("made %s", ", ".join(path.name for path in made) or "nothing")
