"""Measure samples against the test videos, of one evaluation or several."""

import os
from pathlib import Path

from viddiff.jobs.measurement import measure_samples
from viddiff.workflow.baselines import baselines_of
from viddiff.workflow.job import each, job
from viddiff.workflow.targets import metrics_cell

with job(snakemake) as work:
    metrics = work.config.metrics

    def measure(path):
        cell = metrics_cell(path)
        measurement = work.on_device(os.environ, cell.evaluation)
        settings = work.metric_settings(measurement.device)
        baselines = [Path(file) for file in baselines_of(work.config, cell) if Path(file).exists()]
        measure_samples(measurement, cell.videos, cell.samples, cell.T, metrics.names, settings, baselines)

    each([path for path in snakemake.output if path.endswith(".pkl")], measure)
