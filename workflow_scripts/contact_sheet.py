"""Draw the first samples of several modes under the test videos."""

from viddiff.jobs.measurement import draw_contact_sheet
from viddiff.tree.paths import Evaluation
from viddiff.workflow.job import job

with job(snakemake) as work:
    names = snakemake.wildcards.run, snakemake.wildcards.checkpoint
    evaluations = [Evaluation.named(*names, mode) for mode in snakemake.params.modes]
    draw_contact_sheet(snakemake.output[0], evaluations, snakemake.params.videos, work.open_videos)
