"""Write a mode's plan, unless samples made by another one exist."""

from viddiff.files.write import write_text
from viddiff.tree.fingerprint import check_claim
from viddiff.tree.schedules import plan_in
from viddiff.workflow.job import job

with job(snakemake) as work:
    plan = plan_in(work.evaluation)
    check_claim(work.evaluation.directory, {"plan_sha256": plan.sha256})
    write_text(snakemake.output[0], plan.to_json())
