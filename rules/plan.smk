"""Plans of modes: which frames are made in which order, and the cost.

They need neither a checkpoint nor data, but for optimal modes, whose schedule is searched.
"""

PLAN_TABLES = [f"{REPORT_FOLDER}/plans.{ext}" for ext in ("csv", "txt", "png")]


rule plans:
    input:
        grid_files("plan.png"),
        PLAN_TABLES,


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


for evaluations in CALL.together.plans:

    rule new_plans:
        input:
            [file for evaluation in evaluations for file in settings_of(evaluation)],
        output:
            plans=[f"{evaluation.directory}/plan.json" for evaluation in evaluations],
            costs=[
                f"{evaluation.directory}/plan_cost.json" for evaluation in evaluations
            ],
            pictures=[f"{evaluation.directory}/plan.png" for evaluation in evaluations],
        log:
            "logs/new_plans.log",
        localrule: True
        conda:
            "../environment.yml"
        threads: 1
        script:
            "../workflow_scripts/new_plans.py"


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
        shown=shown_plans,
    output:
        csv=report(
            PLAN_TABLES[0],
            category="Comparison",
            caption="captions/plans_table.rst",
            labels={"of all modes": "cost of their plans"},
        ),
        text=PLAN_TABLES[1],
        picture=report(
            PLAN_TABLES[2],
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
