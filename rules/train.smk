"""Configured training runs. A run goes on from its newest checkpoint, so nothing of it is ever deleted.

Checkpoints are no outputs, which Snakemake deletes, backs up and restores: a run is finished when its checkpoints are of
the configured step, and a job leaves a record in the logs.
"""

import atexit

from viddiff.workflow.trainings import (
    stop_message,
    training_resources,
    training_threads,
    with_gpu_model,
)

TRAINS_HERE = workflow.is_main_process and runs_here


# The last line, after all that Snakemake says of a job that ends early.
onerror:
    for run in CONFIG.training:
        if message := stop_message(run, STARTED):
            atexit.register(print, message, file=sys.stderr)


rule train:
    input:
        all_trained,


for name, run in TRAINING.items():
    if is_finished(run):

        rule:
            name:
                name
            input:
                trained(run),

        continue

    rule:
        name:
            name
        input:
            training_data(run),
        output:
            TRAINED.format(run=run),
        log:
            f"logs/{run}/train.log",
        benchmark:
            f"benchmarks/{run}/train.tsv"
        conda:
            "../environment.yml"
        threads: training_threads(CONFIG.training[run])
        resources:
            **with_gpu_model(
                workflow, name, training_resources(CONFIG.training[run], TRAINS_HERE)
            ),
        params:
            training=CONFIG.training[run].settings,
            run_dir=f"checkpoints/{run}",
        script:
            "../workflow_scripts/train.py"
