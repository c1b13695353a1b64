"""Datasets: those that are made, and the check of those that the configuration uses."""

from viddiff.tree.datasets import FOLDER as DATA_RECORDS
from viddiff.workflow.datasets import MADE_DATASETS, Datasets
from viddiff.workflow.preflight import unknown_datasets, used_datasets

DECODED = f"{DATA_RECORDS}/{{dataset}}/train.decoded"

with in_one_line():
    USED_DATASETS = used_datasets(CONFIG, GRID, Datasets(CONFIG))
    MISSING_SPLITS = {made: missing_splits(made) for made in MADE_DATASETS}


rule data:
    input:
        made_data(MADE_DATASETS[0], "train"),
        made_data(MADE_DATASETS[0], "test"),
        [file for name, split, _ in USED_DATASETS for file in made_data(name, split)],


for made, splits in MISSING_SPLITS.items():
    if not splits:
        continue

    rule:
        name:
            f"make_{made}"
        output:
            made_data(made, "{split}"),
        log:
            f"logs/make_{made}_{{split}}.log",
        benchmark:
            f"benchmarks/make_{made}_{{split}}.tsv"
        wildcard_constraints:
            split="|".join(splits),
        conda:
            "../environment.yml"
        threads: 1
        resources:
            mem_mb=4000,
        params:
            root=subpath(output[0], ancestor=2),
            dataset=made,
        script:
            "../workflow_scripts/make_bouncy_balls.py"


rule check_data:
    input:
        [file for name, split, _ in USED_DATASETS for file in made_data(name, split)],
    log:
        "logs/check_data.log",
    conda:
        "../environment.yml"
    threads: 1
    params:
        datasets=USED_DATASETS,
        unknown=unknown_datasets(CONFIG, GRID),
    script:
        "../workflow_scripts/check_data.py"


rule check_training_data:
    output:
        touch(f"{DATA_RECORDS}/{{dataset}}/train_{{T}}.checked"),
    log:
        "logs/check_data/{dataset}_train_{T}.log",
    wildcard_constraints:
        dataset="[^/]+",
    conda:
        "../environment.yml"
    threads: 1
    params:
        datasets=lambda wildcards: [(wildcards.dataset, "train", int(wildcards.T))],
        unknown=[],
    script:
        "../workflow_scripts/check_data.py"


rule decode_training_data:
    input:
        checked_training_data,
    output:
        DECODED,
    log:
        "logs/decode_data/{dataset}_train.log",
    benchmark:
        "benchmarks/decode_data/{dataset}_train.tsv"
    wildcard_constraints:
        dataset="[^/]+",
    conda:
        "../environment.yml"
    threads: 4
    script:
        "../workflow_scripts/decode_data.py"


if to_make("lpips_weights", [ALEXNET]):

    rule lpips_weights:
        output:
            ALEXNET,
        log:
            "logs/lpips_weights.log",
        localrule: True
        conda:
            "../environment.yml"
        threads: 1
        script:
            "../workflow_scripts/lpips_weights.py"


if to_make("fvd_weights", [I3D]):

    rule fvd_weights:
        output:
            I3D,
        log:
            "logs/fvd_weights.log",
        localrule: True
        conda:
            "../environment.yml"
        threads: 1
        script:
            "../workflow_scripts/fvd_weights.py"
