"""Measure samples against the test videos, of one evaluation or several."""

import os

from viddiff.jobs.measurement import measure_samples
from viddiff.metrics.base import MetricSettings
from viddiff.workflow.job import each, job
from viddiff.workflow.targets import metrics_cell

with job(snakemake) as work:
    metrics = work.config.metrics

    def measure(path):
        cell = metrics_cell(path)
        measurement = work.on_device(os.environ, cell.evaluation)
        settings = MetricSettings(str(measurement.device), metrics.ssim_data_range, work.input("alexnet"))
        measure_samples(measurement, cell.videos, cell.samples, cell.T, metrics.names, settings)

    each([path for path in snakemake.output if path.endswith(".pkl")], measure)
