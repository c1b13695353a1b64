"""Write the plans of several modes, their cost cards and pictures."""

from pathlib import Path

from viddiff.jobs.planning import draw_plan_of, write_cost, write_plan
from viddiff.tree.paths import Evaluation
from viddiff.tree.timing import timing_files
from viddiff.workflow.job import each, job

with job(snakemake) as work:

    def make(plan):
        evaluation = Evaluation.parse(Path(plan).parent)
        run = work.config.training.get(evaluation.run)
        model_config = evaluation.directory / "model_config.json"
        write_plan(evaluation)
        write_cost(
            evaluation,
            run.settings if run else {},
            model_config if model_config.exists() else None,
            timing_files(evaluation),
        )
        draw_plan_of(evaluation)

    each(snakemake.output.plans, make)
