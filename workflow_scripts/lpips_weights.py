"""Fetch the network of LPIPS, once per machine."""

from pathlib import Path

from viddiff.jobs.job import job
from viddiff.metrics.weights import fetch_alexnet

with job(snakemake):
    fetch_alexnet(Path(snakemake.output[0]))
