"""The grid side by side: a table, and for each checkpoint contact sheets and curves of its modes."""


rule report:
    input:
        "results/comparison.csv",
        group_files([f"{GROUP}/contact_sheet_{{group}}.png"]),
        group_files(
            [f"{GROUP}/{name}_{{group}}.png" for name in config["metrics"]["names"]]
        ),


rule comparison:
    input:
        metrics=grid_metrics("json"),
        model_config=ancient(grid_files("model_config.json")),
    output:
        csv=report("results/comparison.csv", category="Metrics"),
        text="results/comparison.txt",
    log:
        "logs/comparison.log",
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/comparison.py"


rule contact_sheet:
    input:
        samples=sheet_samples,
        truth=ancient(sheet_truth),
    output:
        report(
            f"{GROUP}/contact_sheet_{{group}}.png",
            category="Samples",
            labels={"videos": "{group}"},
        ),
    log:
        "logs/{run}/{checkpoint}/contact_sheet_{group}.log",
    conda:
        "../environment.yml"
    threads: 1
    params:
        modes=lambda wildcards: [
            cell.evaluation.mode for cell in group_cells(wildcards)
        ],
        videos=sheet_videos,
    script:
        "../workflow_scripts/contact_sheet.py"


rule frame_curves:
    input:
        lambda wildcards: [
            str(cell.evaluation.metrics(cell.videos, cell.samples, cell.T, "json"))
            for cell in group_cells(wildcards)
        ],
    output:
        report(
            f"{GROUP}/{{metric}}_{{group}}.png",
            category="Metrics",
            labels={"metric": "{metric}"},
        ),
    log:
        "logs/{run}/{checkpoint}/{metric}_{group}.log",
    wildcard_constraints:
        metric="|".join(config["metrics"]["names"]),
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/frame_curves.py"
