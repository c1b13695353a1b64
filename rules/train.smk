"""Configured training runs. A run goes on from its newest checkpoint, so nothing of it is ever deleted."""


rule train:
    input:
        [file for run in config["training"] for file in trained_files(config, run)],


for run in config["training"]:

    rule:
        name:
            "train_" + run.replace("/", "_")
        input:
            # Checkpoints outlive their data: newer data are no reason to train again.
            ancient(made_data(config["training"][run]["dataset"], "train")),
        output:
            [update(file) for file in trained_files(config, run)],
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
            training=config["training"][run],
            run_dir=f"checkpoints/{run}",
            data_root=config["data_root"],
        script:
            "../workflow_scripts/train.py"
