"""Plans of modes: which frames are made in which order. They need neither a checkpoint nor data."""


rule plans:
    input:
        grid_files("plan.png"),


rule changed_plan:
    output:
        temp(touch(f"{EVALUATION}/.plan_changed")),


rule plan:
    input:
        # A plan that is not the mode's any more is made again, from a file that is newer.
        lambda wildcards: (
            rules.changed_plan.output[0].format(**wildcards)
            if plan_is_outdated(evaluation_of(wildcards))
            else []
        ),
    output:
        f"{EVALUATION}/plan.json",
    log:
        f"{LOGS}/plan.log",
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/plan.py"


rule plan_picture:
    input:
        f"{EVALUATION}/plan.json",
    output:
        report(f"{EVALUATION}/plan.png", category="Plans", labels={"mode": "{mode}"}),
    log:
        f"{LOGS}/plan_picture.log",
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/plan_picture.py"
