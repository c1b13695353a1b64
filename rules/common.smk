"""Path patterns, wildcard constraints, the configured grid, what this call asks for, and input functions."""

import hashlib
import io
import json
import os
import shlex
import sys
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict
from functools import cache
from pathlib import Path

from snakemake.cli import get_profile_dir, parse_args

from viddiff.workflow.batches import (
    damaged_files,
    missing_elbos,
    missing_samples,
    missing_videos,
    named_batches,
    plan_batches,
)
from viddiff.workflow.cluster import check_profiles, check_slurm
from viddiff.workflow.config import check_config, load_schema, read_config
from viddiff.errors import InputError
from viddiff.inference.modes import MODE_PATTERN
from viddiff.inference.user_modes import register_modes
from viddiff.tree.schedules import schedule_file, searches_of, stage_file
from viddiff.workflow.preflight import (
    check_measured,
    check_sampling,
    check_writable,
    dataset_of,
    plan_is_outdated,
    trained_files,
    training_rules,
)
from viddiff.tree.paths import (
    CHECKPOINT_PATTERN,
    RUN_PATTERN,
    Evaluation,
)
from viddiff.workflow.targets import pairs, read_grid, read_request
from viddiff.tree.timing import timing_files

EVALUATION = "results/{run}/{checkpoint}/{mode}"
SAMPLE = f"{EVALUATION}/samples/sample_{{video}}-{{sample}}.npy"
GIF = f"{EVALUATION}/videos/sample_{{video}}-{{sample}}.gif"
ELBO = f"{EVALUATION}/elbos/elbo_{{video}}.npy"
GRID_TARGETS = ["all", "samples", "videos", "metrics", "elbos", "report"]
OTHER_TARGETS = ["plans", "data", "check_data", "train"]
LOGS = "logs/{run}/{checkpoint}/{mode}"
GROUP = "results/{run}/{checkpoint}"
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


@contextmanager
def in_one_line():
    """What the user can put right ends the planning with one line."""
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {' '.join(str(error).split())}")


with in_one_line():
    check_config(config, load_schema(Path(workflow.basedir) / "config" / "schema.yaml"))
    CONFIG = read_config(config)
    register_modes(CONFIG.modes)
    GRID = read_grid(CONFIG.grid)
    TRAINING = training_rules(CONFIG.training)
    for folder in ("results", "logs", "benchmarks"):
        check_writable(folder)


def read_call():
    """The command line of this call with its profiles, as Snakemake reads it."""
    with redirect_stderr(io.StringIO()):  # has told already which profiles it uses
        return parse_args(sys.argv[1:])[1]


def profile_files(call):
    """The default profile of this workflow, and the files of the others."""
    default = Path(workflow.basedir) / "profiles" / "default" / "config.yaml"
    found = [get_profile_dir(name) for name in call.profile or []]
    return default, [file for _, file in filter(None, found)]


def resources_named(name):
    """The values of a resource that profile and command line set for all rules, or for some."""
    settings = workflow.resource_settings
    groups = [settings.default_resources or {}, *settings.overwrite_resources.values()]
    return {str(group[name].raw) for group in groups if name in group}


def spread_settings():
    """What is set for `sample`, `gif`, `elbo` or `train` holds for each of the rules so called that are made here."""
    made = {
        f"{kind}_{batch.span}": kind
        for kind, batches in BATCHES.items()
        for batch in batches
    }
    made |= dict.fromkeys(TRAINING, "train")
    settings = workflow.resource_settings
    for field in ("overwrite_resources", "overwrite_threads"):
        given = getattr(settings, field)
        spread = {name: given[kind] for name, kind in made.items() if kind in given}
        setattr(settings, field, spread | dict(given))


# The batches of this call. A job that runs elsewhere is read again there: it names its own.
if workflow.is_main_process:
    os.environ.update(VIDDIFF_COMMAND=shlex.join(["snakemake", *sys.argv[1:]]))
    call = read_call()
    with in_one_line():
        check_profiles(*profile_files(call))
        if call.executor == "slurm":
            check_slurm(
                resources_named("slurm_partition"), resources_named("slurm_account")
            )
        request = read_request(
            sys.argv[1:], GRID, GRID_TARGETS, OTHER_TARGETS, CONFIG.metrics.elbos
        )
        missing = {
            "sample": missing_samples(request),
            "gif": missing_videos(request),
            "elbo": missing_elbos(request),
        }
        DAMAGED = set(damaged_files(missing))
        if DAMAGED:
            names = ", ".join(sorted(DAMAGED))
            print(f"damaged, made again: {names}", file=sys.stderr)
        for kind in ("sample", "elbo"):
            for evaluation, wanted in missing[kind].items():
                if wanted:
                    check_sampling(
                        CONFIG, evaluation, 1 + max(video for video, _ in wanted)
                    )
    size = CONFIG.sampling.videos_per_job
    BATCHES = {kind: plan_batches(files, size) for kind, files in missing.items()}
    # A call for plans alone brings cost cards up to date; others leave those that exist.
    RENEW_COSTS = not (request.samples or request.videos or request.elbos)
else:
    RENEW_COSTS = False
    DAMAGED = set()
    kinds = ("sample", "gif", "elbo")
    BATCHES = {kind: named_batches(kind, sys.argv) for kind in kinds}
spread_settings()


def evaluation_of(wildcards):
    return named_evaluation(wildcards.run, wildcards.checkpoint, wildcards.mode)


@cache  # thousands of jobs ask, for a few names
def named_evaluation(run, checkpoint, mode):
    return Evaluation.named(run, checkpoint, mode)


def checkpoint_of(wildcards):
    return str(evaluation_of(wildcards).checkpoint_file())


def made_data(dataset, split):
    """The file of the dataset that a rule makes; nothing for other datasets, which the user provides."""
    return (
        f"{CONFIG.data_root}/bouncy_balls/{split}.pt"
        if dataset == "bouncy_balls"
        else []
    )


def data_of(wildcards):
    return videos_of(evaluation_of(wildcards))


def videos_of(evaluation):
    """The file of the videos that an evaluation completes, if a rule makes it."""
    return made_data(dataset_of(CONFIG, evaluation), evaluation.mode.split)


def schedule_of(wildcards):
    """The optimal schedule of a mode that has one."""
    evaluation = evaluation_of(wildcards)
    optimal = evaluation.mode.optimal is not None
    return str(schedule_file(evaluation)) if optimal else []


def searched_stages_of(wildcards):
    evaluation = evaluation_of(wildcards)
    return [
        str(stage_file(evaluation, search.stage)) for search in searches_of(evaluation)
    ]


def search_data_of(wildcards):
    return made_data(dataset_of(CONFIG, evaluation_of(wildcards)), "train")


def selection_weights(wildcards):
    """What a mode needs that selects frames by LPIPS."""
    by_lpips = evaluation_of(wildcards).mode.recipe.distance == "lpips"
    return rules.lpips_weights.output[0] if by_lpips else []


def renewing_costs(files):
    """Inputs of cost cards: newer ones make a card anew if this call is about plans."""
    return [str(file) if RENEW_COSTS else ancient(str(file)) for file in files]


def training_settings(wildcards):
    """The file that tells the number of diffusion steps, if the name does not and there is a checkpoint."""
    evaluation = evaluation_of(wildcards)
    if evaluation.checkpoint.respacing:
        return []
    file = evaluation.directory / "model_config.json"
    known = file.is_file() or evaluation.checkpoint_file().is_file()
    return renewing_costs([file] if known else [])


def earlier_timings(wildcards):
    return renewing_costs(timing_files(evaluation_of(wildcards)))


def plan_definition(wildcards):
    """Nothing, or if plan.json is not the mode's plan any more, a folder that is newer: so it is made again."""
    evaluation = evaluation_of(wildcards)
    if not plan_is_outdated(evaluation):
        return []
    os.utime(evaluation.directory / "plan.json", (1, 1))
    return "config"


def samples_of(wildcards):
    """The samples that metrics measure, unless the metrics are there and hold something else than configured."""
    evaluation = evaluation_of(wildcards)
    numbers = (int(wildcards[name]) for name in ("videos", "samples", "T"))
    with in_one_line():
        check_measured(CONFIG.metrics, evaluation.metrics(*numbers, ext="json"))
    return [
        str(evaluation.sample(*pair))
        for pair in pairs(int(wildcards.videos), int(wildcards.samples))
    ]


def grid_metrics(ext):
    return [
        str(cell.evaluation.metrics(cell.videos, cell.samples, cell.T, ext))
        for cell in GRID
    ]


def grid_samples():
    return [
        str(cell.evaluation.sample(*pair))
        for cell in GRID
        for pair in pairs(cell.videos, cell.samples)
    ]


def grid_gifs():
    return [
        str(cell.evaluation.gif(*pair))
        for cell in GRID
        for pair in pairs(cell.videos, cell.samples)
    ]


def repair(patterns):
    """What lets a batch run whose files are all there, but one of them damaged: a folder that is newer."""

    def input_files(wildcards):
        files = [path.format(**wildcards) for path in patterns] if DAMAGED else []
        damaged = DAMAGED.intersection(files)
        for file in damaged:
            os.utime(file, (1, 1))
        return "config" if damaged else []

    return input_files


def elbos_of(wildcards):
    evaluation = evaluation_of(wildcards)
    return [str(evaluation.elbo(video)) for video in range(int(wildcards.videos))]


def grid_elbos(wildcards):
    """The summaries of all cells whose modes have an ELBO."""
    return [
        str(cell.evaluation.elbo_summary(cell.videos)) for cell in GRID if cell.has_elbo
    ]


def grid_files(name):
    return [str(cell.evaluation.directory / name) for cell in GRID]


def grid_groups():
    """(run, checkpoint, group) of the cells that are shown side by side."""
    return sorted({(*cell.evaluation.names[:2], cell.group) for cell in GRID})


def group_cells(wildcards):
    """The cells of the grid that one picture shows."""
    key = (wildcards.run, wildcards.checkpoint, wildcards.group)
    cells = [cell for cell in GRID if (*cell.evaluation.names[:2], cell.group) == key]
    if not cells:
        raise InputError(
            f"the configured grid has nothing at {'/'.join(key[:2])} for videos {key[2]}"
        )
    return cells


def used_datasets():
    """(dataset, split) of the configured training runs and of the grid, as far as the configuration tells."""
    used = {(settings.dataset, "train") for settings in CONFIG.training.values()}
    for cell in GRID:
        mode = cell.evaluation.mode
        dataset = dataset_of(CONFIG, cell.evaluation)
        used.add((dataset, mode.split))
        if mode.optimal is not None:
            used.add((dataset, "train"))  # for the search
    return sorted(pair for pair in used if pair[0])


def training_data(run):
    """The data that training needs first. A finished run needs none: newer data are no reason to train again."""

    def input_files(wildcards):
        if all(Path(file).is_file() for file in trained_files(CONFIG, run)):
            return []
        return made_data(CONFIG.training[run].dataset, "train")

    return input_files


def batch_videos(wildcards, output):
    """The numbers of the videos of a batch."""
    return [int(Path(path).stem.partition("_")[2].partition("-")[0]) for path in output]


def report_contents():
    """What the report shows: directory, videos, samples and frames of each cell, and the videos of a sheet."""
    cells = [
        [str(cell.evaluation.directory), cell.videos, cell.samples, cell.T]
        for cell in GRID
    ]
    return {"cells": cells, "videos": CONFIG.report.videos}


def report_contents_file():
    text = json.dumps(report_contents())
    return f"results/report_{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def group_files(pattern):
    return [
        path.format(run=run, checkpoint=checkpoint, group=group)
        for run, checkpoint, group in grid_groups()
        for path in pattern
    ]


def sheet_videos(wildcards):
    return min(CONFIG.report.videos, *(cell.videos for cell in group_cells(wildcards)))


def sheet_samples(wildcards):
    return [
        str(cell.evaluation.sample(video, 0))
        for cell in group_cells(wildcards)
        for video in range(sheet_videos(wildcards))
    ]


def sheet_truth(wildcards):
    """What leads to the true videos of a group: the data that a rule makes, and the name of the dataset."""
    first = group_cells(wildcards)[0].evaluation
    return [
        str(first.directory / "model_config.json"),
        *([videos_of(first)] if videos_of(first) else []),
    ]
