"""Draw a metric over the frames of the video, a line per mode."""

from pathlib import Path

from viddiff.render.curve import draw_frame_curves
from viddiff.report.comparison import frame_curves
from viddiff.workflow.job import job

with job(snakemake):
    paths = [Path(path) for path in snakemake.input.metrics]
    draw_frame_curves(snakemake.output[0], *frame_curves(paths, snakemake.wildcards.metric))
