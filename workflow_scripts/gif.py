"""Animate a batch of samples."""

from viddiff.inference.modes import parse_mode, true_frames
from viddiff.jobs.job import job
from viddiff.render.gif import write_gif
from viddiff.tree.samples import load_sample

with job(snakemake):
    mode = parse_mode(snakemake.wildcards.mode)
    for sample, gif in zip(snakemake.input, snakemake.output, strict=True):
        frames = load_sample(sample)
        observed = true_frames(mode, len(frames))
        write_gif(gif, frames, [index in observed for index in range(len(frames))])
