"""Draw a mode's plan, with its cost."""

from pathlib import Path

from viddiff.inference.plan import Plan
from viddiff.jobs.job import job
from viddiff.render.plan import draw_plan
from viddiff.report.cost_card import CostCard

with job(snakemake):
    plan = Plan.read(snakemake.input.plan)
    facts = CostCard.read(Path(snakemake.input.cost)).lines()
    draw_plan(snakemake.output[0], plan, title=snakemake.wildcards.mode, facts=facts)
