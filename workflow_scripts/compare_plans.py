"""Compare the plans of the grid: their cost as a table, and all of them in one picture."""

from pathlib import Path

from viddiff.files.write import write_text
from viddiff.inference.plan import Plan
from viddiff.render.plans import Panel, draw_plans
from viddiff.report.comparison import write_csv
from viddiff.report.cost_card import CostCard
from viddiff.report.plan_table import format_plan_table, plan_table
from viddiff.tree.paths import Evaluation
from viddiff.workflow.job import job

with job(snakemake):
    cards = {Evaluation.parse(Path(path).parent): CostCard.read(Path(path)) for path in snakemake.input.costs}
    table = plan_table(cards)
    write_csv(snakemake.output.csv, table)
    write_text(snakemake.output.text, format_plan_table(table))
    plans = [Plan.read(path) for path in snakemake.input.plans]
    panels = [
        Panel(str(run.mode), plan, card.brief())
        for (run, card), plan in zip(cards.items(), plans, strict=True)
    ]
    draw_plans(snakemake.output.picture, list(dict.fromkeys(panels)))
