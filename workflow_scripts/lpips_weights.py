"""Fetch the network of LPIPS, once per machine."""

from pathlib import Path

from viddiff.metrics.weights import fetch_alexnet
from viddiff.workflow.job import job

with job(snakemake):
    fetch_alexnet(Path(snakemake.output[0]))
