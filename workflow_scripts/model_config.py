"""Write the training config of a checkpoint into its evaluation directories."""

from pathlib import Path

from viddiff.checkpoint import load_checkpoint
from viddiff.files.write import write_json
from viddiff.tree.paths import Evaluation
from viddiff.workflow.job import job

with job(snakemake):
    evaluation = Evaluation.parse(Path(snakemake.output[0]).parent)
    config = load_checkpoint(evaluation.checkpoint_file()).config
    for output in snakemake.output:
        write_json(output, config, allow_nan=True)
