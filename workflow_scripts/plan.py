"""Write a mode's plan, unless samples made by another one exist."""

from viddiff.files.write import write_text
from viddiff.jobs.job import job
from viddiff.tree.fingerprint import check_claim
from viddiff.tree.paths import Evaluation
from viddiff.tree.schedules import plan_in

with job(snakemake):
    wildcards = snakemake.wildcards
    evaluation = Evaluation.named(wildcards.run, wildcards.checkpoint, wildcards.mode)
    plan = plan_in(evaluation)
    check_claim(evaluation.directory, {"plan_sha256": plan.sha256})
    write_text(snakemake.output[0], plan.to_json())
