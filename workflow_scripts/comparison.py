"""Compare the metrics of the grid: a table as CSV, and as text for the terminal."""

from viddiff.report.comparison import write_comparison
from viddiff.workflow.job import job

with job(snakemake):
    write_comparison(
        snakemake.input.metrics, snakemake.input.elbos, snakemake.output.csv, snakemake.output.text
    )
