"""Draw the plan by which a sample was made: with the frames that were chosen, where its mode chooses."""

from viddiff.inference.plan import Plan
from viddiff.render.plan import draw_plan
from viddiff.tree.samples import executed_plan
from viddiff.workflow.job import job

with job(snakemake) as work:
    evaluation, video, sample = work.evaluation, work.number("video"), work.number("sample")
    planned = Plan.read(snakemake.input.plan)
    plan = executed_plan(evaluation.executed_plan(video, sample), planned)
    selected = sum(stage.n_select for stage in planned.stages)
    facts = f"video {video}, sample {sample}: {selected or 'no'} observed frames chosen by their content"
    draw_plan(snakemake.output[0], plan, title=str(evaluation.mode), facts=[facts], planned=planned)
