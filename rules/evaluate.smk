"""Metrics of the first videos and samples of an evaluation."""


rule metrics:
    input:
        [grid_metrics(ext) for ext in CONFIG.metrics.files],


rule evaluate:
    input:
        samples=samples_of,
        data=data_of,
        model_config=ancient(f"{EVALUATION}/model_config.json"),
        alexnet=ancient(ALEXNET) if CONFIG.metrics.needs_alexnet else [],
        i3d=ancient(I3D) if CONFIG.metrics.needs_i3d else [],
        baselines=floors_of_metrics,
    output:
        [
            f"{EVALUATION}/metrics_{{videos}}-{{samples}}-{{T}}.{ext}"
            for ext in CONFIG.metrics.files
        ],
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


for number, cells in enumerate(CALL.together.metrics):

    rule:
        name:
            f"new_metrics_{number}"
        input:
            samples=[file for cell in cells for file in cell.sample_files()],
            data=[file for cell in cells for file in videos_of(cell.evaluation)],
            model_config=[
                ancient(f"{cell.evaluation.directory}/model_config.json")
                for cell in cells
            ],
            alexnet=rules.evaluate.input.alexnet,
            i3d=rules.evaluate.input.i3d,
            baselines=list(
                dict.fromkeys(file for cell in cells for file in floors_of(cell))
            ),
        output:
            [cell.metrics(ext) for cell in cells for ext in CONFIG.metrics.files],
        log:
            f"logs/new_metrics_{number}.log",
        benchmark:
            f"benchmarks/new_metrics_{number}.tsv"
        conda:
            "../environment.yml"
        threads: 2
        resources:
            mem_mb=8000,
        script:
            "../workflow_scripts/evaluate.py"
