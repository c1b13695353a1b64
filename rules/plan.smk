"""Plans of modes: which frames are made in which order, and the cost.

They need neither a checkpoint nor data, but for optimal modes, whose schedule is searched.
"""


rule plans:
    input:
        grid_files("plan.png"),
        "results/plans.csv",
        "results/plans.png",


rule plan:
    input:
        schedule_of,
        plan_definition,
    output:
        # Not removed before the job, which refuses to write another plan beside samples.
        update(f"{EVALUATION}/plan.json"),
    log:
        f"{LOGS}/plan.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/plan.py"


rule plan_cost:
    input:
        plan=f"{EVALUATION}/plan.json",
        model_config=training_settings,
        timings=earlier_timings,
    output:
        f"{EVALUATION}/plan_cost.json",
    log:
        f"{LOGS}/plan_cost.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/plan_cost.py"


rule plan_picture:
    input:
        plan=f"{EVALUATION}/plan.json",
        cost=f"{EVALUATION}/plan_cost.json",
    output:
        report(
            f"{EVALUATION}/plan.png",
            category="Plans",
            caption="captions/plan.rst",
            labels={"run": "{run}", "checkpoint": "{checkpoint}", "mode": "{mode}"},
        ),
    log:
        f"{LOGS}/plan_picture.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/plan_picture.py"


rule sample_plan:
    input:
        sample=f"{EVALUATION}/samples/sample_{{video}}-{{sample}}.npy",
        plan=f"{EVALUATION}/plan.json",
    output:
        f"{EVALUATION}/plans/sample_{{video}}-{{sample}}.png",
    log:
        f"{LOGS}/plans/sample_{{video}}-{{sample}}.log",
    wildcard_constraints:
        video="[0-9][0-9][0-9][0-9]+",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/sample_plan.py"


rule compare_plans:
    input:
        plans=grid_files("plan.json"),
        costs=grid_files("plan_cost.json"),
    output:
        csv=report(
            "results/plans.csv",
            category="Comparison",
            caption="captions/plans_table.rst",
            labels={"of all modes": "cost of their plans"},
        ),
        text="results/plans.txt",
        picture=report(
            "results/plans.png",
            category="Comparison",
            caption="captions/plans_picture.rst",
            labels={"of all modes": "plans"},
        ),
    log:
        "logs/compare_plans.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/compare_plans.py"
