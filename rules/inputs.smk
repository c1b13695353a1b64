"""Input functions: what the files of a rule are made from."""

import os
import re
import sys
from functools import cache
from pathlib import Path

from viddiff.tree.paths import CHECKPOINTS, Baseline, Evaluation
from viddiff.tree.schedules import schedule_file, searches_of, stage_file
from viddiff.tree.timing import timing_files
from viddiff.workflow.baselines import (
    baselines_of,
    floor_names,
    is_outdated,
    other_split,
)
from viddiff.workflow.call import make_anew
from viddiff.workflow.checkpoints import dataset_of
from viddiff.workflow.datasets import MADE_DATASETS
from viddiff.workflow.metric_preflight import check_measured
from viddiff.workflow.preflight import plan_is_outdated
from viddiff.workflow.quality import shows_quality
from viddiff.workflow.report_files import (
    check_animated,
    check_page,
    group_cells,
    groups_of,
    shown_elsewhere,
    shown_samples,
    shown_videos,
)
from viddiff.workflow.targets import Cell, pairs
from viddiff.workflow.trainings import (
    averages,
    is_to_be_trained,
    run_is_trained,
    trained_before,
)


def evaluation_of(wildcards):
    return named_evaluation(wildcards.run, wildcards.checkpoint, wildcards.mode)


@cache  # thousands of jobs ask, for a few names
def named_evaluation(run, checkpoint, mode):
    return Evaluation.named(run, checkpoint, mode)


def checkpoint_of(wildcards):
    """The checkpoint; the record of the training that makes it, if it is not there."""
    return checkpoint_or_training(evaluation_of(wildcards))


def checkpoint_unless(pattern):
    """The checkpoint; no training that makes it if that file is there: checkpoints may be removed when all is made."""

    def input_file(wildcards):
        if os.path.exists(pattern.format(**wildcards)):
            return ancient(str(evaluation_of(wildcards).checkpoint_file()))
        return checkpoint_of(wildcards)

    return input_file


def checkpoint_for(evaluation):
    return lambda wildcards: checkpoint_or_training(evaluation)


@cache
def checkpoint_or_training(evaluation):
    """A newer checkpoint is no reason for anything; a training is, for all that waits for it.

    Snakemake leaves out a job, its missing outputs too, if all that is made anew for it is there and ancient.
    """
    if is_to_be_trained(CONFIG, evaluation):
        return trained(evaluation.run)
    return ancient(str(evaluation.checkpoint_file()))


@cache
def trained(run):
    """The record of a training that has something left to do; the checkpoints of one that is done.

    No checkpoint is any job's output: nothing but a training touches them, and their steps tell whether it is done.
    """
    if run_is_trained(CONFIG, run):
        return averages(CONFIG, run)
    return [TRAINED.format(run=run)]


def all_trained(wildcards):
    return [file for run in CONFIG.training for file in trained(run)]


def to_make(rule, files):
    """Those files outside of results that a rule has to make. Others are nobody's, so nothing deletes them."""
    if not workflow.is_main_process:
        return files
    return [file for file in files if CALL.options.makes(rule, file)]


def is_finished(run):
    return workflow.is_main_process and run_is_trained(CONFIG, run)


def made_data(dataset, split):
    """The file of a dataset that a rule makes; nothing for other datasets, which the user provides."""
    made = f"{CONFIG.data_root}/{dataset}/{split}.pt"
    return [made] if dataset in MADE_DATASETS else []


def data_of(wildcards):
    return videos_of(evaluation_of(wildcards))


def videos_of(evaluation):
    """The file of the videos that an evaluation completes, if a rule makes it."""
    return made_data(dataset_of(CONFIG, evaluation), evaluation.mode.split)


def missing_splits(dataset):
    return [
        split
        for split in ("train", "test")
        if to_make(f"make_{dataset}", made_data(dataset, split))
    ]


def schedule_of(wildcards):
    """The optimal schedule of a mode that has one."""
    return schedule_for(evaluation_of(wildcards))


def schedule_for(evaluation):
    optimal = evaluation.mode.optimal is not None
    return str(schedule_file(evaluation)) if optimal else []


def searched_stages_of(wildcards):
    evaluation = evaluation_of(wildcards)
    return [
        str(stage_file(evaluation, search.stage)) for search in searches_of(evaluation)
    ]


def search_data_of(wildcards):
    return made_data(dataset_of(CONFIG, evaluation_of(wildcards)), "train")


def renewing_costs(files):
    """Inputs of cost cards: newer ones make a card anew if this call is about plans."""
    return [str(file) if CALL.renew_costs else ancient(str(file)) for file in files]


def training_settings(wildcards):
    return settings_of(evaluation_of(wildcards))


def settings_of(evaluation):
    """The file that tells the number of diffusion steps, if the name does not and there is a checkpoint."""
    if evaluation.checkpoint.respacing:
        return []
    file = evaluation.directory / "model_config.json"
    known = file.is_file() or evaluation.checkpoint_file().is_file()
    return renewing_costs([file] if known else [])


def earlier_timings(wildcards):
    return renewing_costs(timing_files(evaluation_of(wildcards)))


def plan_definition(wildcards):
    """No file. A plan.json that is not the mode's plan any more is made again."""
    evaluation = evaluation_of(wildcards)
    if plan_is_outdated(evaluation):
        make_anew(workflow, [str(evaluation.directory / "plan.json")])
    return []


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


def baseline_data(wildcards):
    """The data of baselines that a rule makes. Records that lack a configured metric are made again."""
    records = [record.format(**wildcards) for record in BASELINE_RECORDS]
    baseline, videos, _ = Baseline.parse(records[0])
    if any(is_outdated(CONFIG.metrics, record) for record in records):
        make_anew(workflow, records)
    splits = {baseline.split, other_split(CONFIG, baseline, videos)}
    return [file for split in splits for file in made_data(baseline.dataset, split)]


def floors_of(cell):
    """The baselines that metrics of samples read. For metrics that are there, they need not be made, nor old."""
    if not floor_names(CONFIG.metrics):
        return []
    files = baselines_of(CONFIG, cell)
    return list(map(ancient, files)) if os.path.exists(cell.metrics("json")) else files


def floors_of_metrics(wildcards):
    numbers = (int(wildcards[name]) for name in ("videos", "samples", "T"))
    return floors_of(Cell(evaluation_of(wildcards), *numbers))


def grid_baselines(wildcards):
    return baselines_of_cells(GRID)


def group_baselines(wildcards):
    return baselines_of_cells(cells_of(wildcards))


def baselines_of_cells(cells):
    return list(
        dict.fromkeys(file for cell in cells for file in baselines_of(CONFIG, cell))
    )


def grid_samples(wildcards):
    """The samples that a grid of an evaluation shows."""
    evaluation = evaluation_of(wildcards)
    return [
        str(evaluation.sample(*pair))
        for pair in pairs(int(wildcards.videos), int(wildcards.samples))
    ]


def grid_metrics(ext):
    return [cell.metrics(ext) for cell in GRID]


def batch_inputs(patterns):
    """For `unpack`: what samples and ELBOs are made from. One function, since Snakemake looks at each for each job.

    A batch runs, too, if its files are all there, but one of them damaged.
    """

    def input_files(wildcards):
        files = [path.format(**wildcards) for path in patterns] if CALL.damaged else []
        make_anew(workflow, CALL.damaged.intersection(files))
        return sampling_files(evaluation_of(wildcards))

    return input_files


@cache  # the jobs of an evaluation read the same
def sampling_files(evaluation):
    """By their names. The job itself refuses a checkpoint that is not the one of files that are there."""
    # By what observed frames are chosen.
    by_lpips = evaluation.mode.recipe.distance == "lpips"
    second = evaluation.second
    return {
        "checkpoint": checkpoint_or_training(evaluation),
        "second": checkpoint_or_training(second) if second else [],
        "data": ancient(videos_of(evaluation)),
        "alexnet": ancient(ALEXNET) if by_lpips else [],
        "schedule": ancient(schedule_for(evaluation)),
    }


def elbos_of(wildcards):
    evaluation = evaluation_of(wildcards)
    return [str(evaluation.elbo(video)) for video in range(int(wildcards.videos))]


def grid_elbos(wildcards):
    """The summaries of all cells whose modes have an ELBO."""
    return [
        str(cell.evaluation.elbo_summary(cell.videos)) for cell in GRID if cell.has_elbo
    ]


def grid_animations():
    """All animations of the grid. Those of the videos on the contact sheets are shown by `--report`."""
    return [
        animation(cell.evaluation, *pair, ext)
        for ext in CONFIG.videos.formats
        for cell in GRID
        for pair in pairs(cell.videos, cell.samples)
    ]


def animation(evaluation, video, sample, ext):
    file = str(evaluation.animation(video, sample, ext))
    shown = video < CONFIG.report.videos and sample == 0
    if not shown or ext != CONFIG.videos.formats[0]:
        return file
    labels = dict(zip(("run", "checkpoint", "mode"), evaluation.names))
    return report(
        file,
        category="Animations",
        caption="captions/animation.rst",
        labels=labels | {"video": f"{video:04d}"},
    )


def grid_files(name):
    return [str(cell.evaluation.directory / name) for cell in GRID]


def checked_training_data(wildcards):
    """The check of the training videos of a dataset, where it must be."""
    return [
        file
        for run, file in CALL.checks.items()
        if CONFIG.training[run].dataset == wildcards.dataset
    ]


def training_data(run):
    """The data that training needs first, their check and arrays, what it is watched on, and the training before it.

    Records of these, and of an earlier end of the training, may be there: they are made anew.
    """

    def input_files(wildcards):
        checked = [CALL.checks[run]] if run in CALL.checks else []
        decoded = [CALL.decoded[run]] if run in CALL.decoded else []
        make_anew(workflow, [TRAINED.format(run=run), *checked, *decoded])
        dataset = CONFIG.training[run].dataset
        made = made_data(dataset, "train") + made_data(dataset, "test")
        before = trained_before(CONFIG, run)
        first = [*map(ancient, made), *checked, *decoded]
        return [*first, *(trained(before) if before else [])]

    return input_files


def batch_videos(wildcards, output):
    """The numbers of the videos of a batch."""
    names = (path.rpartition("/")[2] for path in output)
    return [int(re.search("_([0-9]+)", name)[1]) for name in names]


def cells_of(wildcards):
    """The cells of the grid that one picture shows."""
    return group_cells(GRID, wildcards.run, wildcards.checkpoint, wildcards.group)


def shown_report(wildcards):
    """All files of the report. They are made again if it shows something new."""
    if not Path(REPORT_CONTENTS).is_file():
        tell_replaced(REPORT[0])
        make_anew(workflow, [*REPORT, PAGE])
    return [*REPORT, PAGE]


def shown_plans(wildcards):
    """No file. The tables of plans are made again if they show those of another grid."""
    if os.path.exists(PLAN_TABLES[0]) and any(
        shown_elsewhere(Path(PLAN_TABLES[0]), GRID)
    ):
        tell_replaced(PLAN_TABLES[0])
        make_anew(workflow, PLAN_TABLES)
    return []


def shown_quality(wildcards):
    """No file. The comparison of samplers is made again if it shows another one."""
    table = Path(QUALITY_FILES[0])
    if table.is_file() and not shows_quality(table, QUALITY, CONFIG.quality.deciding):
        make_anew(workflow, QUALITY_FILES)
    return []


@cache  # once a call
def tell_replaced(table):
    lost, _ = shown_elsewhere(Path(table), GRID)
    if lost:
        print(
            f"{table} is of another grid (evaluations that this one has not: {lost}) and is made anew; "
            "the config key name gives a grid tables of its own",
            file=sys.stderr,
        )


def sheet_videos(wildcards):
    return shown_videos(cells_of(wildcards), CONFIG.report.videos)


def shown_modes(wildcards):
    return [str(cell.evaluation.mode) for cell in cells_of(wildcards)]


def sheet_samples(wildcards):
    return [
        str(path) for path in shown_samples(cells_of(wildcards), CONFIG.report.videos)
    ]


def sheet_truth(wildcards):
    return truth_of(cells_of(wildcards))


def truth_of(cells):
    return truth_files(cells[0].evaluation)


def shown_truth(wildcards):
    return truth_files(evaluation_of(wildcards))


def truth_files(evaluation):
    """What leads to true videos: the data that a rule makes, and the name of the dataset."""
    return [str(evaluation.directory / "model_config.json"), *videos_of(evaluation)]


def modes_samples(wildcards):
    """The samples of one video that the modes of a group are shown by."""
    with in_one_line():
        cells = cells_of(wildcards)
        check_animated(cells, int(wildcards.video))
    return [str(cell.evaluation.sample(int(wildcards.video), 0)) for cell in cells]


def page_samples(wildcards):
    """The samples that the page shows."""
    return [
        str(path)
        for cells in groups_of(GRID).values()
        for path in shown_samples(cells, CONFIG.report.videos)
    ]


def page_videos(wildcards):
    """The animations of the samples that the page shows."""
    return [
        str(cell.evaluation.animation(video, 0, "mp4"))
        for cells in groups_of(GRID).values()
        for cell in cells
        for video in range(shown_videos(cells, CONFIG.report.videos))
    ]


def page_trainings(wildcards):
    """The curves of the runs shown, of those that have some: a training writes them, and goes on doing so."""
    runs = dict.fromkeys(run for cell in GRID for run in cell.evaluation.runs)
    files = [f"{CHECKPOINTS}/{run}/curves.png" for run in runs]
    return [ancient(file) for file in files if os.path.exists(file)]


def page_truth(wildcards):
    """What leads to true videos. A page that someone else made is not replaced."""
    with in_one_line():
        check_page(PAGE)
    return [
        ancient(file) for cells in groups_of(GRID).values() for file in truth_of(cells)
    ]
