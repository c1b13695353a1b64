"""Animations of samples, in the same batches as the samples."""


rule videos:
    input:
        grid_animations(),


for ext in ANIMATIONS:
    for batch in CALL.batches[ext]:

        rule:
            name:
                f"{ext}_{batch.span}"
            input:
                batch.paths(SAMPLE),
            output:
                batch.paths(f"{ANIMATION}.{ext}"),
            log:
                batch.path(f"{LOGS}/videos_{ext}_{{video}}_{{sample}}.log"),
            wildcard_constraints:
                run=batch.run_pattern,
            conda:
                "../environment.yml"
            threads: 1
            script:
                "../workflow_scripts/animations.py"


for ext, groups in CALL.together.animations.items():
    for number, animated in enumerate(groups):

        rule:
            name:
                f"new_{ext}s_{number}"
            input:
                [str(evaluation.sample(*pair)) for evaluation, *pair in animated],
            output:
                [
                    str(evaluation.animation(*pair, ext))
                    for evaluation, *pair in animated
                ],
            log:
                f"logs/new_{ext}s_{number}.log",
            conda:
                "../environment.yml"
            threads: 1
            script:
                "../workflow_scripts/animations.py"
