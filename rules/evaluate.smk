"""Metrics of the first videos and samples of an evaluation."""


rule metrics:
    input:
        grid_metrics("pkl"),
        grid_metrics("json"),


rule evaluate:
    input:
        samples=samples_of,
        data=data_of,
        model_config=ancient(f"{EVALUATION}/model_config.json"),
        alexnet=ancient(ALEXNET) if "lpips" in CONFIG.metrics.names else [],
    output:
        pkl=f"{EVALUATION}/metrics_{{videos}}-{{samples}}-{{T}}.pkl",
        json=f"{EVALUATION}/metrics_{{videos}}-{{samples}}-{{T}}.json",
    log:
        f"{LOGS}/metrics_{{videos}}-{{samples}}-{{T}}.log",
    benchmark:
        f"{BENCHMARKS}/metrics_{{videos}}-{{samples}}-{{T}}.tsv"
    conda:
        "../environment.yml"
    threads: 2
    resources:
        mem_mb=8000,
    script:
        "../workflow_scripts/evaluate.py"
