"""Make the bouncing balls, with a curtain or without."""

from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.data.bouncy_balls_curtain import write_bouncy_balls_curtain
from viddiff.workflow.job import job

WRITE = {"bouncy_balls": write_bouncy_balls, "bouncy_balls_curtain": write_bouncy_balls_curtain}

with job(snakemake) as work:
    balls, split = work.config.bouncy_balls, snakemake.wildcards.split
    write = WRITE[snakemake.params.dataset]
    write(snakemake.params.root, split, balls.videos(split), balls.length, balls.seed)
