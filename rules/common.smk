"""Path patterns, wildcard constraints, the configured grid, and what this call makes."""

import os
import shlex
import sys
import time

from viddiff.errors import in_one_line
from viddiff.inference.modes import MODE_PATTERN
from viddiff.inference.user_modes import register_modes
from viddiff.tree.paths import ANIMATIONS, CHECKPOINT_PATTERN, RUN_PATTERN
from viddiff.workflow.arguments import told_by_dry_run
from viddiff.workflow.call import plan_call, spread_settings, submitted_call
from viddiff.workflow.cluster import check_executor
from viddiff.workflow.config import check_config, lay_over, load_schema, read_config
from viddiff.workflow.overview import overview
from viddiff.workflow.permissions import check_records, check_writable
from viddiff.workflow.preflight import training_rules
from viddiff.workflow.quality import read_quality
from viddiff.workflow.report_files import report_folder
from viddiff.workflow.surroundings import folder_of, own_names
from viddiff.workflow.targets import read_grid
from viddiff.workflow.trainings import beyond_the_end

PROJECT = folder_of(workflow).parent
ARGUMENTS = own_names(workflow, sys.argv[1:])
STARTED = time.time()
EVALUATION = "results/{run}/{checkpoint}/{mode}"
SAMPLE = f"{EVALUATION}/samples/sample_{{video}}-{{sample}}.npy"
ANIMATION = f"{EVALUATION}/videos/sample_{{video}}-{{sample}}"
BASELINE = (
    "results/.baselines/{dataset}/{split}/{name}_{given}/metrics_{videos}-1-{T}.json"
)
ELBO = f"{EVALUATION}/elbos/elbo_{{video}}.npy"
LOGS = "logs/{run}/{checkpoint}/{mode}"
VIDEO = "[0-9][0-9][0-9][0-9]|[1-9][0-9][0-9][0-9][0-9]+"
TRAINED = "logs/{run}/trained.json"
BENCHMARKS = "benchmarks/{run}/{checkpoint}/{mode}"


wildcard_constraints:
    run=RUN_PATTERN,
    checkpoint=CHECKPOINT_PATTERN,
    mode=MODE_PATTERN,
    block=r"[0-9][0-9]+",
    sample=r"0|[1-9][0-9]*",
    videos=r"[1-9][0-9]*",
    samples=r"[1-9][0-9]*",
    T=r"[1-9][0-9]*",
    group=r"[A-Za-z0-9._,=+-]+",
    stage=r"0|[1-9][0-9]*",


with in_one_line():
    lay_over(config, workflow.config_settings.config_args)
    check_config(config, load_schema(PROJECT / "config" / "schema.yaml"))
    CONFIG = read_config(config)
    register_modes(CONFIG.modes)
    GRID = read_grid(CONFIG.grid)
    QUALITY = CONFIG.quality and read_quality(CONFIG.quality, CONFIG.metrics)
    ALEXNET, I3D = CONFIG.alexnet, CONFIG.i3d
    TRAINING = training_rules(CONFIG.training)
    REPORT_FOLDER = report_folder(
        CONFIG.name,
        [
            *CONFIG.training,
            *(cell.evaluation.run for cell in (*GRID, *(QUALITY or ()))),
        ],
    )
    for folder in ("results", "logs", "benchmarks"):
        check_writable(folder)


# A job that runs elsewhere is read again there: it makes its own batch.
if workflow.is_main_process:
    os.environ.update(VIDDIFF_COMMAND=shlex.join(["snakemake", *sys.argv[1:]]))
    with in_one_line():
        check_records()
        runs_here = check_executor(workflow, ARGUMENTS)
        CALL = plan_call(ARGUMENTS, CONFIG, GRID, runs_here, QUALITY)
    if CALL.damaged:
        names = ", ".join(sorted(CALL.damaged))
        print(f"damaged, made again: {names}", file=sys.stderr)
    if CALL.options.forces_all:
        kept = "kept: samples, animations and ELBOs that are there, checkpoints, data"
        print(f"{kept}; remove what is to be made again", file=sys.stderr)
    for run in CONFIG.training:
        if beyond := beyond_the_end(CONFIG, run):
            print(beyond, file=sys.stderr)
    for line in CALL.warnings:
        print(f"warning: {line}", file=sys.stderr)
    for line in CALL.notes:
        print(line, file=sys.stderr)
    told = told_by_dry_run(ARGUMENTS)
    if told and (table := overview(CALL.request)):
        print(table, flush=True)
        if told == "table":
            logger.setLevel("WARNING")
else:
    CALL = submitted_call(ARGUMENTS)
spread_settings(workflow, CALL.kinds() | dict.fromkeys(TRAINING, "train"))
