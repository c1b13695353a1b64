"""Write the training config of an evaluation's checkpoint."""

from viddiff.checkpoint import load_checkpoint
from viddiff.files.write import write_json
from viddiff.workflow.job import job

with job(snakemake) as work:
    config = load_checkpoint(work.evaluation.checkpoint_file()).config
    write_json(snakemake.output[0], config, allow_nan=True)
