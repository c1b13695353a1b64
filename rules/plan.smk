"""Plans of modes: which frames are made in which order. They need neither a checkpoint nor data."""


rule plans:
    input:
        grid_files("plan.png"),


rule plan:
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
