"""Draw the plan by which a sample was made: with the frames that were chosen, where its mode chooses."""

from viddiff.inference.plan import Plan
from viddiff.jobs.job import job
from viddiff.render.plan import draw_plan
from viddiff.tree.paths import Evaluation
from viddiff.tree.samples import executed_plan

with job(snakemake):
    wildcards = snakemake.wildcards
    run = Evaluation.named(wildcards.run, wildcards.checkpoint, wildcards.mode)
    video, sample = int(wildcards.video), int(wildcards.sample)
    planned = Plan.read(snakemake.input.plan)
    plan = executed_plan(run.executed_plan(video, sample), planned)
    selected = sum(stage.n_select for stage in planned.stages)
    facts = f"video {video}, sample {sample}: {selected or 'no'} observed frames chosen by their content"
    draw_plan(snakemake.output[0], plan, title=str(run.mode), facts=[facts], planned=planned)
