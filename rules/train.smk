"""Configured training runs. A run goes on from its newest checkpoint, so nothing of it is ever deleted."""


rule train:
    input:
        [file for run in CONFIG.training for file in trained_files(CONFIG, run)],


for name, run in TRAINING.items():
    files = to_make(name, trained_files(CONFIG, run))
    if not files:
        continue

    rule:
        name:
            name
        input:
            ancient(training_data(run)),
        output:
            [update(file) for file in files],
        log:
            f"logs/{run}/train.log",
        benchmark:
            f"benchmarks/{run}/train.tsv"
        conda:
            "../environment.yml"
        threads: 4
        resources:
            gpu=1,
        params:
            training=CONFIG.training[run].settings,
            run_dir=subpath(output[0], parent=True),
        script:
            "../workflow_scripts/train.py"
