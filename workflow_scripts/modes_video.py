"""Animate a test video and its first sample in each of several modes, side by side."""

from viddiff.jobs.animation import animate_modes
from viddiff.tree.paths import Evaluation
from viddiff.workflow.job import job

with job(snakemake) as work:
    names = snakemake.wildcards.run, snakemake.wildcards.checkpoint
    evaluations = [Evaluation.named(*names, mode) for mode in snakemake.params.modes]
    animate_modes(snakemake.output[0], evaluations, work.number("video"), work.open_videos)
