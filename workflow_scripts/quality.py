"""Compare samplers with the reference: a table as CSV and as text, and a picture of quality against evaluations."""

from pathlib import Path

from viddiff.files.write import write_text
from viddiff.report.comparison import write_csv
from viddiff.report.quality import compare_quality, quality_table
from viddiff.report.quality_picture import draw_quality
from viddiff.report.quality_text import format_quality
from viddiff.workflow.job import LoggedProgress, job

with job(snakemake):
    references, metrics = (
        list(map(Path, files)) for files in (snakemake.input.references, snakemake.input.metrics)
    )
    quality = compare_quality(references, metrics, snakemake.params.deciding, progress=LoggedProgress())
    write_csv(snakemake.output.csv, quality_table(quality))
    write_text(snakemake.output.text, format_quality(quality))
    draw_quality(snakemake.output.picture, quality)
