"""Optimal schedules: a search for each stage of a mode's plan, then all in one file."""


rule search_stage:
    input:
        # The job itself refuses a checkpoint that is not the one of the other stages.
        checkpoint=checkpoint_unless(f"{EVALUATION}/optimal/stage_{{stage}}.json"),
        data=ancient(search_data_of),
    output:
        f"{EVALUATION}/optimal/stage_{{stage}}.json",
    log:
        f"{LOGS}/optimal_stage_{{stage}}.log",
    benchmark:
        f"{BENCHMARKS}/optimal_stage_{{stage}}.tsv"
    conda:
        "../environment.yml"
    threads: 4
    resources:
        gpu=1,
    script:
        "../workflow_scripts/search_stage.py"


rule optimal_schedule:
    input:
        ancient(searched_stages_of),
    output:
        f"{EVALUATION}/optimal_schedule.json",
    log:
        f"{LOGS}/optimal_schedule.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/optimal_schedule.py"
