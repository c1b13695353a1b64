"""Animate a batch of samples."""

from viddiff.inference.modes import true_frames
from viddiff.render.gif import write_gif
from viddiff.tree.samples import load_sample
from viddiff.workflow.job import job

with job(snakemake) as work:
    for sample, gif in zip(snakemake.input, snakemake.output, strict=True):
        frames = load_sample(sample)
        observed = true_frames(work.evaluation.mode, len(frames))
        write_gif(gif, frames, [index in observed for index in range(len(frames))])
