"""Draw a metric over the frames of the video, or along the axis that it has, a line per mode."""

from pathlib import Path

from viddiff.report.curves import read_curves
from viddiff.workflow.job import job

with job(snakemake):
    paths, baselines = (
        list(map(Path, files)) for files in (snakemake.input.metrics, snakemake.input.baselines)
    )
    read_curves(paths, snakemake.wildcards.metric, baselines).draw(snakemake.output[0])
