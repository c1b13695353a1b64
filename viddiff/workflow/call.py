"""What a call of the workflow makes: decided once, before Snakemake asks for jobs, and without a change on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from viddiff.errors import InputError
from viddiff.files.npy import is_whole
from viddiff.tree.paths import ANIMATIONS, Evaluation
from viddiff.workflow.batches import (
    BatchRule,
    damaged_files,
    missing_animations,
    missing_elbos,
    missing_samples,
    named_batches,
    plan_batches,
)
from viddiff.workflow.checkpoints import dataset_of
from viddiff.workflow.cluster import check_submitted
from viddiff.workflow.datasets import Datasets, check_kinds
from viddiff.workflow.metric_preflight import check_defined, check_measurable, check_metric_weights
from viddiff.workflow.options import Options, read_options
from viddiff.workflow.preflight import (
    check_checkpoint,
    check_elbo_steps,
    check_precision,
    check_sampling,
    check_search,
    check_true_frames,
    check_truth,
    is_searched,
    larger_window,
    levels_unknown,
)
from viddiff.workflow.quality import QualityGrid, check_quality, wanted_quality
from viddiff.workflow.second_preflight import check_second, larger_second_window
from viddiff.workflow.sections import Configuration
from viddiff.workflow.targets import Cell, Pairs, Request, asks_for_quality, read_request
from viddiff.workflow.together import Together, plan_together

KINDS = ("sample", "elbo", *ANIMATIONS)


@dataclass(frozen=True)
class Call:
    """The rules of the batches that a call makes, by kind, and what is made together.

    request: what it asks for; damaged: files of these batches that are there, but not whole; whole: targets that are
    samples or ELBOs and there; renew_costs: whether cost cards that exist are brought up to date; options: what is
    asked of files that are there; checks: by the run, the file that says that the data of a training were checked,
    where they must be; decoded: likewise, that arrays of them were made; warnings, notes: lines.
    """

    batches: Mapping[str, Sequence[BatchRule]]
    together: Together = field(default_factory=Together)
    request: Request = field(default_factory=Request)
    damaged: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    renew_costs: bool = False
    options: Options = field(default_factory=Options)
    checks: Mapping[str, str] = field(default_factory=dict)
    decoded: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def kinds(self) -> dict[str, str]:
        """The kind of each rule, by the rule's name."""
        batches = {f"{kind}_{batch.span}": kind for kind, rules in self.batches.items() for batch in rules}
        return batches | self.together.kinds()


def plan_call(
    arguments: Sequence[str],
    config: Configuration,
    grid: Iterable[Cell],
    here: bool = True,
    quality: QualityGrid | None = None,
) -> Call:
    """What a command line makes: what it asks for and is not there whole.

    here: whether all jobs run on this machine; quality: what the target of that name compares.

    Raises `InputError` for targets that are impossible, and for samples and ELBOs that cannot be made.
    """
    # Jobs, which read this file too, need not wait for it.
    from viddiff.workflow.training_preflight import (
        check_settings,
        check_targets,
        check_trainable,
        checked_file,
        decoded_file,
        disk_of_arrays,
        runs_to_train,
    )

    options, grid = read_options(arguments), list(grid)
    if not grid and (named := {"all", "report"} & set(options.targets)):
        raise InputError(f"config key grid is empty: {', '.join(sorted(named))} would have nothing to show")
    check_targets(config, options.targets)
    compared = wanted_quality(quality) if asks_for_quality(options.targets) else ()
    request = read_request(
        arguments, grid, config.metrics.elbos, config.videos.formats, config.report.videos, compared
    )
    missing = {
        "sample": missing_samples(request),
        "elbo": missing_elbos(request),
        **{ext: missing_animations(request, ext) for ext in ANIMATIONS},
    }
    datasets = Datasets(config)
    check_kinds(config.datasets)
    for run, training in config.training.items():
        check_settings(run, training.settings)
    needed = _videos_needed(missing)
    if compared:
        check_quality(config, compared, needed)
    for evaluation, videos in needed.items():
        check_sampling(config, evaluation, videos, datasets)
        check_second(config, evaluation)
    for evaluation, pairs in missing["sample"].items():
        if pairs:
            check_precision(config, evaluation)
    for evaluation, pairs in missing["elbo"].items():
        if pairs:
            check_elbo_steps(evaluation)
            frames, videos = evaluation.mode.given("T"), 1 + max(video for video, _ in pairs)
            check_true_frames(config, evaluation, frames, videos, datasets)
    if not here:
        made = {evaluation for files in missing.values() for evaluation, pairs in files.items() if pairs}
        measured = {cell.evaluation for cell in request.measured if not Path(cell.metrics("pkl")).is_file()}
        for evaluation in made | measured | {part for part in request.searches if is_searched(part)}:
            check_submitted(evaluation)
    others, beyond = _check_others(config, request, datasets)
    seconds = {second for evaluation in needed if (second := evaluation.second)}
    runs = runs_to_train(config, arguments, {*needed, *seconds, *others})
    for run in runs:
        check_trainable(config, run, datasets, here)
    checks = {
        run: checked_file(config, run)
        for run in runs
        if datasets.split(config.training[run].dataset, "train").needs_check
    }
    decoded = {run: file for run in runs if (file := decoded_file(config, run, run in checks))}
    damaged = frozenset(damaged_files(missing))
    together = plan_together(
        [*request.cells, *request.quality], {ext: missing[ext] for ext in ANIMATIONS}, here
    )
    for ext, groups in together.animations.items():
        for evaluation, *pair in chain(*groups):
            missing[ext][evaluation].discard(tuple(pair))
    size = config.sampling.videos_per_job
    return Call(
        batches={
            kind: plan_batches(files, size, _there(kind, files, request.files - damaged))
            for kind, files in missing.items()
        },
        together=together,
        request=request,
        damaged=damaged,
        whole=frozenset(file for file in request.files if file.endswith(".npy") and is_whole(Path(file))),
        # A call for plans alone brings cost cards up to date; others leave those that exist.
        renew_costs=not (request.samples or any(request.animations.values()) or request.elbos),
        options=options,
        checks=checks,
        decoded=decoded,
        notes=tuple(dict.fromkeys(disk_of_arrays(config, run, datasets) for run in decoded)),
        warnings=tuple(
            warning
            for evaluation in needed
            for tell in (larger_window, levels_unknown, larger_second_window)
            if (warning := tell(config, evaluation))
        )
        + tuple(beyond),
    )


def _videos_needed(missing: Mapping[str, Pairs]) -> dict[Evaluation, int]:
    """The evaluations that lack samples or ELBOs, and of how many videos, from the first on."""
    needed: dict[Evaluation, int] = {}
    for kind in ("sample", "elbo"):
        for evaluation, pairs in missing[kind].items():
            needed[evaluation] = max([needed.get(evaluation, 0), *(1 + video for video, _ in pairs)])
    return {evaluation: videos for evaluation, videos in needed.items() if videos}


def _check_others(
    config: Configuration, request: Request, datasets: Datasets
) -> tuple[set[Evaluation], list[str]]:
    """Check what a request needs beside samples and ELBOs: searches, settings of checkpoints, weights to measure by.

    Returns the evaluations whose checkpoints that reads, and warnings. Raises `InputError`.
    """
    searches = {evaluation for evaluation in request.searches if is_searched(evaluation)}
    for evaluation in searches:
        check_search(config, evaluation, datasets)
    models = {
        evaluation
        for evaluation in request.models
        if not (evaluation.directory / "model_config.json").is_file()
    }
    for evaluation in searches | models:
        check_checkpoint(config, evaluation)
    warnings = []
    for cell in request.measured:
        name = dataset_of(config, cell.evaluation)
        known = datasets.known_length(name) if name and datasets.knows(name) else None
        check_measurable(config.metrics, cell, known)
        if not Path(cell.metrics("pkl")).is_file():
            warnings.append(check_truth(config, cell, datasets))
        if name:
            check_defined(config.metrics, cell, name, datasets.kind(name))
    measured = all(Path(cell.metrics("pkl")).is_file() for cell in request.measured)
    if not measured:
        check_metric_weights(config)
    return searches | models, [warning for warning in warnings if warning]


def _there(kind: str, wanted: Pairs, targets: set[str]) -> Pairs:
    """Those of the wanted files that are targets and there."""
    paths: dict[str, Callable[[Evaluation, int, int], Path]] = {
        "sample": Evaluation.sample,
        "elbo": lambda evaluation, video, _: evaluation.elbo(video),
        **{ext: partial(Evaluation.animation, ext=ext) for ext in ANIMATIONS},
    }
    return {
        evaluation: {
            pair for pair in pairs if str(file := paths[kind](evaluation, *pair)) in targets and file.exists()
        }
        for evaluation, pairs in wanted.items()
        if targets
    }


def submitted_call(arguments: Sequence[str]) -> Call:
    """What a job that is read again elsewhere makes: the batch that its arguments name."""
    return Call({kind: named_batches(kind, arguments) for kind in KINDS})


def make_anew(workflow: Any, files: Iterable[str]) -> None:
    """Have files made again that are there and that a job makes, as Snakemake does with those that it left incomplete.

    No file is touched. Called while jobs are found, before it is decided which are to run.
    """
    workflow.dag.forcefiles.update(files)


def spread_settings(workflow: Any, kinds: Mapping[str, str]) -> None:
    """Let what is set for `sample`, `gif`, `mp4`, `elbo` or `train` hold for each of the rules of that kind.

    kinds: by the names of the rules.
    """
    rename = workflow.modifier.modify_rulename  # another workflow may use this one under other names
    kinds = {rename(rule): rename(kind) for rule, kind in kinds.items()}
    settings = workflow.resource_settings
    for name in ("overwrite_resources", "overwrite_threads"):
        given = getattr(settings, name)
        spread = {rule: given[kind] for rule, kind in kinds.items() if kind in given}
        setattr(settings, name, spread | dict(given))
