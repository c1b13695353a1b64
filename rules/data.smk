"""Datasets: the one that is made, and the check of those that the configuration uses."""


localrules:
    lpips_weights,


rule data:
    input:
        made_data("bouncy_balls", "train"),
        made_data("bouncy_balls", "test"),


rule make_bouncy_balls:
    output:
        made_data("bouncy_balls", "{split}"),
    log:
        "logs/make_bouncy_balls_{split}.log",
    benchmark:
        "benchmarks/make_bouncy_balls_{split}.tsv"
    wildcard_constraints:
        split="train|test",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        settings=asdict(CONFIG.bouncy_balls),
        root=subpath(output[0], ancestor=2),
    script:
        "../workflow_scripts/make_bouncy_balls.py"


rule check_data:
    input:
        lambda _: [
            file for used in used_datasets() for file in [made_data(*used)] if file
        ],
    log:
        "logs/check_data.log",
    conda:
        "../environment.yml"
    threads: 1
    params:
        datasets=used_datasets(),
    script:
        "../workflow_scripts/check_data.py"


rule lpips_weights:
    output:
        f"{CONFIG.data_root}/lpips_alexnet.pt",
    log:
        "logs/lpips_weights.log",
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/lpips_weights.py"
