"""Make the bouncing balls."""

from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.workflow.job import job

with job(snakemake) as work:
    balls, split = work.config.bouncy_balls, snakemake.wildcards.split
    write_bouncy_balls(snakemake.params.root, split, balls.videos(split), balls.length, balls.seed)
