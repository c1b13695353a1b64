"""Measure baselines of a dataset."""

from pathlib import Path

from viddiff.jobs.baselines import measure_baseline
from viddiff.workflow.job import LoggedProgress, each, job

with job(snakemake) as work:
    settings = work.metric_settings(work.device())

    def measure(record):
        measure_baseline(record, work.open_videos, snakemake.params.metrics, settings, LoggedProgress())

    each([Path(file) for file in snakemake.output], measure)
