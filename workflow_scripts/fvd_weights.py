"""Fetch the network of FVD, once per machine."""

from pathlib import Path

from viddiff.metrics.i3d_weights import fetch_i3d
from viddiff.workflow.job import job

with job(snakemake):
    fetch_i3d(Path(snakemake.output[0]))
