"""Animate a batch of samples."""

from viddiff.inference.modes import parse_mode
from viddiff.render.gif import write_gif
from viddiff.samples import load_sample
from viddiff.script import job

with job(snakemake):
    observed = parse_mode(snakemake.wildcards.mode).obs_length
    for sample, gif in zip(snakemake.input, snakemake.output, strict=True):
        write_gif(gif, load_sample(sample), observed)
