"""ELBOs of test videos, in batches as the samples, and their summary."""


rule elbos:
    input:
        grid_elbos,


for batch in CALL.batches["elbo"]:

    rule:
        name:
            f"elbo_{batch.span}"
        input:
            unpack(batch_inputs(batch.paths(ELBO))),
        output:
            [update(path) for path in batch.paths(ELBO)],
        log:
            batch.path(f"{LOGS}/elbos_{{video}}.log"),
        benchmark:
            batch.path(f"{BENCHMARKS}/elbos_{{video}}.tsv")
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
            "../workflow_scripts/elbo.py"


rule elbo_summary:
    input:
        elbos_of,
    output:
        f"{EVALUATION}/elbos_{{videos}}.json",
    log:
        f"{LOGS}/elbos_{{videos}}.log",
    localrule: True
    conda:
        "../environment.yml"
    threads: 1
    script:
        "../workflow_scripts/elbo_summary.py"
