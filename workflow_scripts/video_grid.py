"""Animate the first samples of the first test videos side by side, beside the true ones."""

from viddiff.jobs.animation import animate_samples
from viddiff.workflow.job import job

with job(snakemake) as work:
    videos, samples = range(work.number("videos")), range(work.number("samples"))
    animate_samples(snakemake.output[0], work.evaluation, videos, samples, work.open_videos)
