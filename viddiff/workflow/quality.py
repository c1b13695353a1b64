"""What the target `quality` compares: samplers with several numbers of network evaluations, in modes of one checkpoint.

Or treatments of the stages of these modes, guidance by history with several weights for example.

Each is an ordinary evaluation directory, named as any other. So samples and metrics that are there count, whoever asked
for them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from viddiff.diffusion.respacing import RESPACING, SPACINGS, check_respacing
from viddiff.diffusion.sampler_names import parse_sampler
from viddiff.errors import InputError, naming, unknown
from viddiff.inference.modes import base_plan, parse_mode, treated, untreated
from viddiff.registry import declared_facts
from viddiff.report.quality_names import most_levels
from viddiff.tree.paths import DEFAULT_SAMPLER, CheckpointName, Evaluation, check_run
from viddiff.workflow.checkpoints import model_settings
from viddiff.workflow.preflight import check_checkpoint
from viddiff.workflow.sections import Configuration, Metrics, Quality
from viddiff.workflow.targets import Cell, check_count, check_metrics_length

NO_TREATMENT = "none"

_REFERENCE = re.compile(rf"(?P<sampler>[a-z][^_]*)(?:_respace(?P<respacing>{RESPACING}))?")
_ADVICE = (
    "the configuration has no section quality; it needs, for example, "
    "quality: {run: demo, checkpoint: ema_0.995_002082, modes: [autoreg_10_5_60_10], videos: 24}"
)


@dataclass(frozen=True)
class QualityGrid:
    """The evaluations that are compared.

    references: one for each mode, without treatment; cells: all others, mode by mode.
    """

    references: tuple[Cell, ...]
    cells: tuple[Cell, ...]

    def __iter__(self) -> Iterator[Cell]:
        """All of them."""
        return iter((*self.references, *self.cells))


def read_quality(quality: Quality, metrics: Metrics) -> QualityGrid:
    """The evaluations that a configuration compares, as far as names tell.

    Raises `InputError` that names the key: an unknown sampler, spacing or metric, a checkpoint that has a sampler
    already, modes without a plan or of different videos, a reference that is compared with itself.
    """
    with naming("config key quality.checkpoint"):
        _check_plain(quality.checkpoint)
    with naming("config key quality.run"):
        check_run(quality.run)
    with naming("config key quality.videos"):
        check_count(quality.videos, quality.samples)
    _check_deciding(quality, metrics)
    with naming("config key quality.reference"):
        reference = _folder(quality.checkpoint, *_reference(quality.reference))
    folders = []
    for entry in quality.samplers:
        with naming("config key quality.samplers"):
            sampler, spacing = _sampler(entry)
        for count in quality.evaluations:
            folder = _folder(quality.checkpoint, sampler, f"{spacing}{most_levels(sampler, count)}")
            if folder == reference and NO_TREATMENT in quality.treatments:
                raise InputError(
                    f"config key quality.reference is {quality.reference}, which {entry} with {count} of "
                    "quality.evaluations is too: leave out one of them"
                )
            folders.append(folder)
    cells = [
        _cell(quality, folder, mode, treatment)
        for mode in quality.modes
        for treatment in quality.treatments
        for folder in dict.fromkeys(folders)
    ]
    references = [_cell(quality, reference, mode) for mode in quality.modes]
    first = references[0]
    for cell in references[1:]:
        if cell.group != first.group:
            modes = " and ".join(str(part.evaluation.mode) for part in (first, cell))
            raise InputError(
                f"config key quality.modes: {modes} complete different videos or frames; dataset, T and obs_length "
                "must be the same in all"
            )
    return QualityGrid(tuple(references), tuple(cells))


def wanted_quality(grid: QualityGrid | None) -> QualityGrid:
    """What is configured. Raises `InputError` with what to add if nothing is."""
    if grid is None:
        raise InputError(_ADVICE)
    return grid


def check_quality(config: Configuration, grid: QualityGrid, lacking: Iterable[Evaluation]) -> None:
    """Check that the checkpoint is there or will be, and that its process has the levels that are asked for.

    lacking: evaluations that lack samples, those of others among them. Raises `InputError` that names the key.
    """
    if not set(lacking).isdisjoint(cell.evaluation for cell in grid):
        evaluation = grid.references[0].evaluation
        with naming("config key quality.checkpoint"):
            check_checkpoint(
                config, Evaluation(evaluation.run, _without_sampler(evaluation), evaluation.mode)
            )
    for key, cells in (("reference", grid.references), ("evaluations", grid.cells)):
        for evaluation in {cell.evaluation.checkpoint: cell.evaluation for cell in cells}.values():
            model = model_settings(config, evaluation)
            if model and evaluation.checkpoint.respacing:
                with naming(f"config key quality.{key}"):
                    check_respacing(model["diffusion_steps"], evaluation.checkpoint.respacing)


def shows_quality(table: Path, grid: QualityGrid, deciding: Iterable[str]) -> bool:
    """Whether a table, `quality.csv`, is of these evaluations, of as many videos and samples, by these metrics."""
    wanted = {
        (*cell.evaluation.names, str(cell.videos), str(cell.samples), " ".join(deciding)) for cell in grid
    }
    columns = ("run", "checkpoint", "mode", "videos", "samples", "deciding")
    try:
        with table.open(encoding="utf-8", newline="") as file:
            return wanted == {tuple(row[name] for name in columns) for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error):
        return False


def _check_plain(checkpoint: str) -> None:
    name = CheckpointName.parse(checkpoint)
    if name.sampler != DEFAULT_SAMPLER or name.respacing:
        raise InputError(
            f"{checkpoint} names a sampler or a respacing, which are quality.samplers and quality.evaluations: must "
            "be the stem of a file, and _<step> if that ends with latest"
        )


def _check_deciding(quality: Quality, metrics: Metrics) -> None:
    of_frames = declared_facts("metric", "viddiff.metrics")
    for name in quality.deciding:
        if name not in metrics.names:
            raise unknown(f"config key quality.deciding: {name!r}, among metrics.names,", name, metrics.names)
        if name in of_frames and of_frames[name]["higher_is_better"] is None:
            raise InputError(f"config key quality.deciding: of {name} neither higher nor lower is better")


def _sampler(entry: str) -> tuple[str, str]:
    """Sampler and spacing of `dpm_logsnr`."""
    sampler, mark, spacing = entry.partition("_")
    parse_sampler(sampler)
    if mark and spacing not in SPACINGS:
        raise unknown(f"spacing {spacing!r} of {entry!r}", spacing, SPACINGS)
    return sampler, spacing


def _reference(text: str) -> tuple[str, str]:
    """Sampler and respacing of `ancestral_respace250`."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r:.80} is not of the form <sampler>[_respace<spec>]: ancestral_respace250")
    parse_sampler(match["sampler"])
    return match["sampler"], match["respacing"] or ""


def _folder(checkpoint: str, sampler: str, respacing: str) -> str:
    """The checkpoint's folder in the tree of results."""
    named = "" if sampler == DEFAULT_SAMPLER else f"_{sampler}"
    return f"{checkpoint}{named}{f'_respace{respacing}' if respacing else ''}"


def _without_sampler(evaluation: Evaluation) -> CheckpointName:
    return CheckpointName(evaluation.checkpoint.stem, evaluation.checkpoint.step)


def _cell(quality: Quality, folder: str, mode: str, treatment: str = NO_TREATMENT) -> Cell:
    with naming("config key quality.modes"):
        parsed = parse_mode(mode)
        T = parsed.given("T")
        base_plan(parsed)
        check_metrics_length(parsed, T)
    if treatment != NO_TREATMENT:
        with naming("config key quality.treatments"):
            if before := untreated(parsed)[0]:
                raise InputError(f"mode {mode!r} has {before} already: take it out of quality.modes")
            parsed = treated(parsed, treatment)
            base_plan(parsed)
    evaluation = Evaluation(quality.run, CheckpointName.parse(folder), parsed)
    return Cell(evaluation, quality.videos, quality.samples, T)
