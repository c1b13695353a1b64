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


rule beside_truth:
    input:
        sample=f"{EVALUATION}/samples/sample_{{video}}-{{sample}}.npy",
        truth=ancient(shown_truth),
    output:
        f"{EVALUATION}/videos/beside-truth_{{video}}-{{sample}}.mp4",
    log:
        f"{LOGS}/beside-truth_{{video}}-{{sample}}.log",
    wildcard_constraints:
        video=VIDEO,
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/beside_truth.py"


rule video_grid:
    input:
        samples=grid_samples,
        truth=ancient(shown_truth),
    output:
        f"{EVALUATION}/videos/grid_{{videos}}-{{samples}}.mp4",
    log:
        f"{LOGS}/grid_{{videos}}-{{samples}}.log",
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/video_grid.py"
