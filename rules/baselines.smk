"""Baselines: completions that no model makes, measured once for all modes."""

from viddiff.tree.paths import BASELINES
from viddiff.workflow.baselines import measured_names

BASELINE_RECORDS = [BASELINE.replace("{name}", name) for name in BASELINES]


rule baselines:
    input:
        data=baseline_data,
        alexnet=rules.evaluate.input.alexnet,
        i3d=rules.evaluate.input.i3d,
    output:
        BASELINE_RECORDS,
    log:
        "logs/baselines/{dataset}_{split}_{given}_{videos}-{T}.log",
    benchmark:
        "benchmarks/baselines/{dataset}_{split}_{given}_{videos}-{T}.tsv"
    wildcard_constraints:
        dataset="[^/]+",
        split="train|test",
        given="[0-9]+(?:_goals[0-9]+)?",
    conda:
        "../environment.yml"
    threads: 2
    resources:
        mem_mb=8000,
    params:
        metrics=measured_names(CONFIG.metrics),
    script:
        "../workflow_scripts/baselines.py"
