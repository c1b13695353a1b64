"""Sampling: one rule per span of videos, see viddiff/workflow/batches.py; a job makes a batch of missing files."""


rule samples:
    input:
        [file for cell in GRID for file in cell.sample_files()],


for batch in CALL.batches["sample"]:

    rule:
        name:
            f"sample_{batch.span}"
        input:
            unpack(batch_inputs(batch.paths(SAMPLE))),
        output:
            [update(path) for path in batch.paths(SAMPLE)],
        log:
            batch.path(f"{LOGS}/samples_{{video}}_{{sample}}.log"),
        benchmark:
            batch.path(f"{BENCHMARKS}/samples_{{video}}_{{sample}}.tsv")
        wildcard_constraints:
            run=batch.run_pattern,
        conda:
            "../environment.yml"
        threads: 4
        resources:
            gpu=1,
        params:
            videos=batch_videos,
        script:
            "../workflow_scripts/sample.py"


rule model_config:
    input:
        checkpoint_unless(f"{EVALUATION}/model_config.json"),
    output:
        f"{EVALUATION}/model_config.json",
    log:
        f"{LOGS}/model_config.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/model_config.py"


for number, evaluations in enumerate(CALL.together.model_configs):

    rule:
        name:
            f"new_model_configs_{number}"
        input:
            checkpoint_for(evaluations[0]),
        output:
            [f"{evaluation.directory}/model_config.json" for evaluation in evaluations],
        log:
            f"logs/new_model_configs_{number}.log",
        localrule: True
        conda:
            "../environment.yml"
        threads: 1
        script:
            "../workflow_scripts/model_config.py"
