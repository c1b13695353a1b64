"""Long-video completion: every result is a file whose path says how it was made; what is missing gets made.

`snakemake` makes the grid of config/config.yaml, `snakemake results/RUN/CHECKPOINT/MODE/metrics_100-3-300.pkl` one
result of any checkpoint, and `snakemake -n samples` tells how many samples are missing.
"""

from snakemake.utils import min_version

from viddiff.errors import in_one_line
from viddiff.workflow.config import check_plain
from viddiff.workflow.options import check_forced
from viddiff.workflow.surroundings import check_paths, config_files

min_version("9.14")

# Before Snakemake reads it, which can run code. The default profile has looked at those of --configfile.
with in_one_line():
    check_paths(workflow)
    for file in config_files(workflow):
        check_plain(file)


configfile: "config/config.yaml"


report: "rules/captions/workflow.rst"


resource_scopes:
    gpu="local",


include: "rules/common.smk"
include: "rules/inputs.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/plan.smk"
include: "rules/optimal.smk"
include: "rules/sample.smk"
include: "rules/render.smk"
include: "rules/evaluate.smk"
include: "rules/baselines.smk"
include: "rules/elbo.smk"
include: "rules/report.smk"
include: "rules/quality.smk"


if workflow.is_main_process:
    with in_one_line():
        check_forced(workflow, CALL.options, CALL.whole)


rule all:
    default_target: True
    input:
        rules.metrics.input,
        rules.videos.input,
        rules.plans.input,
        rules.report.input,
