"""Write a mode's plan, unless samples made by another one exist."""

from viddiff.files import write_text
from viddiff.fingerprint import check_claim
from viddiff.optimal_schedule import plan_in
from viddiff.results import EvaluationRun
from viddiff.script import job

with job(snakemake):
    wildcards = snakemake.wildcards
    evaluation = EvaluationRun(wildcards.run, wildcards.checkpoint, wildcards.mode)
    plan = plan_in(evaluation)
    check_claim(evaluation.directory, {"plan_sha256": plan.sha256})
    write_text(snakemake.output[0], plan.to_json())
