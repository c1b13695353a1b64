"""Draw the first samples of several modes under the test videos."""

from viddiff.jobs.job import job
from viddiff.jobs.measurement import draw_contact_sheet
from viddiff.tree.paths import Evaluation
from viddiff.workflow.config import read_config

with job(snakemake):
    wildcards = snakemake.wildcards
    draw_contact_sheet(
        snakemake.output[0],
        [Evaluation.named(wildcards.run, wildcards.checkpoint, mode) for mode in snakemake.params.modes],
        snakemake.params.videos,
        read_config(snakemake.config),
    )
