"""Write the training config of an evaluation's checkpoint."""

from viddiff.checkpoint import load_checkpoint
from viddiff.files.write import write_json
from viddiff.workflow.job import job

with job(snakemake):
    write_json(snakemake.output[0], load_checkpoint(snakemake.input[0]).config, allow_nan=True)
