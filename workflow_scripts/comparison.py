"""Compare the metrics of the grid: a table as CSV, and as text for the terminal."""

from pathlib import Path

from viddiff.files.write import write_text
from viddiff.report.comparison import comparison_table, format_table, write_csv
from viddiff.workflow.job import job

with job(snakemake):
    metrics, elbos = (
        [Path(path) for path in files] for files in (snakemake.input.metrics, snakemake.input.elbos)
    )
    table = comparison_table(metrics, elbos)
    write_csv(snakemake.output.csv, table)
    write_text(snakemake.output.text, format_table(table))
