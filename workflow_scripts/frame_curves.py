"""Draw a metric over the frames of the video, a line per mode."""

from pathlib import Path

from viddiff.jobs.job import job
from viddiff.render.curve import draw_frame_curves
from viddiff.report.comparison import frame_curves

with job(snakemake):
    metric = snakemake.wildcards.metric
    curves, observed = frame_curves([Path(path) for path in snakemake.input.metrics], metric)
    draw_frame_curves(snakemake.output[0], curves, metric, observed)
