"""Write a mode's cost card."""

from pathlib import Path

from viddiff.inference.plan import Plan
from viddiff.report.cost_card import cost_card
from viddiff.workflow.job import job

with job(snakemake) as work:
    run = work.config.training.get(work.evaluation.run)
    card = cost_card(
        work.evaluation,
        Plan.read(snakemake.input.plan),
        run.settings if run else {},
        work.input("model_config"),
        map(Path, snakemake.input.timings),
    )
    card.write(snakemake.output[0])
