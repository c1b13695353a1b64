"""Make the bouncing balls."""

from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.workflow.job import job

with job(snakemake):
    settings, split = snakemake.params.settings, snakemake.wildcards.split
    write_bouncy_balls(snakemake.params.root, split, settings[split], settings["length"], settings["seed"])
