"""Configured training runs. A run goes on from its newest checkpoint, so nothing of it is ever deleted."""


def training_data(run):
    """The data that training needs first. A finished run needs none: newer data are no reason to train again."""

    def input_files(wildcards):
        if all(Path(file).is_file() for file in trained_files(config, run)):
            return []
        return made_data(config["training"][run]["dataset"], "train")

    return input_files


rule train:
    input:
        [file for run in config["training"] for file in trained_files(config, run)],


for run in config["training"]:

    rule:
        name:
            "train_" + run.replace("/", "_")
        input:
            ancient(training_data(run)),
        output:
            [update(file) for file in trained_files(config, run)],
        params:
            training=config["training"][run],
            run_dir=f"checkpoints/{run}",
            data_root=config["data_root"],
        log:
            f"logs/{run}/train.log",
        benchmark:
            f"benchmarks/{run}/train.tsv"
        threads: 4
        resources:
            gpu=1,
        conda:
            "../environment.yml"
        script:
            "../workflow_scripts/train.py"
