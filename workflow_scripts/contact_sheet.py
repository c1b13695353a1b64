"""Draw the first samples of several modes under the test videos."""

from viddiff.evaluation import draw_contact_sheet
from viddiff.results import EvaluationRun
from viddiff.script import job

with job(snakemake):
    wildcards = snakemake.wildcards
    draw_contact_sheet(
        snakemake.output[0],
        [EvaluationRun(wildcards.run, wildcards.checkpoint, mode) for mode in snakemake.params.modes],
        snakemake.params.videos,
        snakemake.config,
    )
