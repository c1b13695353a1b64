"""Compare all pairs of modes of the grid: a table as CSV, and as text for the terminal."""

from viddiff.report.pairs_text import write_pairs
from viddiff.workflow.job import LoggedProgress, job

with job(snakemake):
    write_pairs(snakemake.input.metrics, snakemake.output.csv, snakemake.output.text, LoggedProgress())
