"""Make the bouncing balls."""

from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.script import job

with job(snakemake.log[0]):
    settings = snakemake.params.settings
    write_bouncy_balls(
        snakemake.params.root, settings["train"], settings["test"], settings["length"], settings["seed"]
    )
