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
        settings = MetricSettings(
            device=str(measurement.device),
            ssim_data_range=metrics.ssim_data_range,
            alexnet=work.input("alexnet"),
            i3d=work.input("i3d"),
            fvd=metrics.fvd,
            extractors=metrics.extractors,
        )
        measure_samples(measurement, cell.videos, cell.samples, cell.T, metrics.names, settings)

    each([path for path in snakemake.output if path.endswith(".pkl")], measure)
