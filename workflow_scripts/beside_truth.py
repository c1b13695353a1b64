"""Animate a sample beside its true video."""

from viddiff.jobs.animation import animate_samples
from viddiff.workflow.job import job

with job(snakemake) as work:
    video, sample = work.number("video"), work.number("sample")
    animate_samples(snakemake.output[0], work.evaluation, [video], [sample], work.open_videos)
