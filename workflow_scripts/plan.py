"""Write a mode's plan, unless samples made by another one exist."""

from viddiff.files import write_text
from viddiff.fingerprint import check_claim
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.results import EvaluationRun
from viddiff.script import job

with job(snakemake):
    wildcards = snakemake.wildcards
    evaluation = EvaluationRun(wildcards.run, wildcards.checkpoint, wildcards.mode)
    plan = make_plan(parse_mode(evaluation.mode))
    check_claim(evaluation.directory, {"plan_sha256": plan.sha256})
    write_text(snakemake.output[0], plan.to_json())
