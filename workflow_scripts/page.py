"""Make the page of the grid, with the videos and pictures that it shows."""

from pathlib import Path

from viddiff.jobs.page import make_page
from viddiff.workflow.job import job
from viddiff.workflow.page import page_groups, page_title

with job(snakemake) as work:
    pairs = Path(snakemake.input.pairs)
    groups = page_groups(work.config, snakemake.input.baselines)
    make_page(Path(snakemake.output[0]), page_title(work.config), groups, pairs, work.open_videos)
