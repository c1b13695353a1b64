"""Measure samples against the test videos."""

import os

from viddiff.jobs.measurement import measure_samples
from viddiff.metrics.base import MetricSettings
from viddiff.workflow.job import job

with job(snakemake) as work:
    metrics, measurement = work.config.metrics, work.on_device(os.environ)
    settings = MetricSettings(str(measurement.device), metrics.ssim_data_range, work.input("alexnet"))
    numbers = (work.number(name) for name in ("videos", "samples", "T"))
    measure_samples(measurement, *numbers, metrics.names, settings)
