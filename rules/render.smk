"""Animations of samples, in the same batches as the samples."""


rule videos:
    input:
        grid_animations(),


for batch in CALL.batches["gif"]:

    rule:
        name:
            f"gif_{batch.span}"
        input:
            batch.paths(SAMPLE),
        output:
            batch.paths(GIF),
        log:
            batch.path(f"{LOGS}/videos_{{video}}_{{sample}}.log"),
        wildcard_constraints:
            run=batch.run_pattern,
        conda:
            "../environment.yml"
        threads: 1
        script:
            "../workflow_scripts/gif.py"


for number, gifs in enumerate(CALL.together.gifs):

    rule:
        name:
            f"new_gifs_{number}"
        input:
            [
                str(evaluation.sample(video, sample))
                for evaluation, video, sample in gifs
            ],
        output:
            [str(evaluation.gif(video, sample)) for evaluation, video, sample in gifs],
        log:
            f"logs/new_gifs_{number}.log",
        conda:
            "../environment.yml"
        threads: 1
        script:
            "../workflow_scripts/gif.py"
