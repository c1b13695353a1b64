"""Draw a mode's plan, with its cost."""

from pathlib import Path

from viddiff.inference.plan import Plan
from viddiff.render.plan import draw_plan
from viddiff.report.cost_card import CostCard
from viddiff.workflow.job import job

with job(snakemake):
    plan = Plan.read(snakemake.input.plan)
    facts = CostCard.read(Path(snakemake.input.cost)).lines()
    draw_plan(snakemake.output[0], plan, title=snakemake.wildcards.mode, facts=facts)
