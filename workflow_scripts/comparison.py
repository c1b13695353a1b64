"""Compare the metrics of the grid: a table as CSV, and as text for the terminal."""

from viddiff.report.comparison import write_comparison
from viddiff.workflow.job import job

with job(snakemake):
    files, output = snakemake.input, snakemake.output
    write_comparison(files.metrics, files.elbos, output.csv, output.text, files.baselines)
