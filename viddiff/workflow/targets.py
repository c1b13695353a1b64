"""What a call of the workflow asks for: evaluations of the configured grid, and targets given as paths."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

from viddiff.errors import InputError
from viddiff.inference.chain_rule import check_chain_rule
from viddiff.inference.modes import Mode, base_plan
from viddiff.tree.paths import RESULTS, Evaluation
from viddiff.tree.schedules import searches_of
from viddiff.workflow.sections import GridBlock

_TARGET = re.compile(
    rf"(?P<directory>{RESULTS}/.+)/"
    r"(?:(?P<kind>samples|videos|plans)/sample_(?P<video>[0-9]{4,})-(?P<sample>[0-9]+)\.(?P<ext>npy|gif|mp4|png)"
    r"|videos/beside-truth_(?P<true_video>[0-9]{4,})-(?P<true_sample>[0-9]+)\.mp4"
    r"|videos/grid_(?P<rows>[1-9][0-9]*)-(?P<columns>[1-9][0-9]*)\.mp4"
    r"|elbos/elbo_(?P<elbo>[0-9]{4,})\.npy|elbos_(?P<elbos>[1-9][0-9]*)\.json"
    r"|metrics_(?P<videos>[1-9][0-9]*)-(?P<samples>[1-9][0-9]*)-(?P<T>[1-9][0-9]*)\.(?:pkl|json|npz)"
    r"|(?P<search>optimal_schedule\.json|optimal/stage_[0-9]+\.json)"
    r"|model_config\.json|plan\.json|plan_cost\.json|plan\.png)",
    re.DOTALL,  # so that the parser sees names with line breaks, and says what is wrong with them
)
# Names of rules: those that stand for samples of the grid, and those that need none.
GRID_TARGETS = ("all", "samples", "videos", "metrics", "elbos", "report")
MEASURING = ("all", "metrics", "report")
OTHER_TARGETS = ("plans", "data", "check_data", "train", "quality")
COLLECTORS = {*GRID_TARGETS, *OTHER_TARGETS} - {"check_data"}  # they have no outputs
_LONGEST_FILE_NAME = 255
_MOST_FILES = 1_000_000  # of a kind, in an evaluation directory
MOST_SHOWN = 200  # videos side by side
_QUALITY = re.compile(rf"{RESULTS}/(?:[^/]+/)?quality\.(?:csv|txt|png)")
_WITHOUT_SAMPLES = re.compile(rf"{RESULTS}/(?:(?:[^/]+/)?plans\.(?:csv|txt|png)|\.baselines/.+)")

Pairs = dict[Evaluation, set[tuple[int, int]]]


@dataclass(frozen=True)
class Cell:
    """One evaluation of the configured grid: how many test videos, samples of each, and frames to measure."""

    evaluation: Evaluation
    videos: int
    samples: int
    T: int

    @property
    def group(self) -> str:
        """The videos, `[<dataset>_][trainset_]<T>_<obs_length>`: the same go into one picture."""
        mode = self.evaluation.mode
        names = [mode.dataset, "trainset" if mode.trainset else None, str(mode.T), str(mode.obs_length)]
        return "_".join(name for name in names if name)

    def metrics(self, ext: str) -> str:
        """The file of the metrics."""
        return str(self.evaluation.metrics(self.videos, self.samples, self.T, ext))

    def sample_files(self) -> list[str]:
        """The samples."""
        return [str(self.evaluation.sample(*pair)) for pair in pairs(self.videos, self.samples)]

    @property
    def has_elbo(self) -> bool:
        """Whether the mode gives videos a probability."""
        try:
            check_elbo(self.evaluation.mode)
        except InputError:
            return False
        return True


@dataclass(frozen=True)
class Request:
    """Samples, animations and ELBOs asked for: per evaluation, sets of (video, sample); an ELBO has sample 0.

    `animations` by their suffix. `cells` are those of the grid if it or its plans are asked for, and nothing by an
    unknown path; `quality` are those of the configured comparison of samplers if that is asked for. `files` are those
    among the files that are targets: Snakemake wants a rule for these even if they exist. `models` are evaluations
    whose checkpoint is read for something else, `searches` those whose schedule is searched, `measured` what metrics
    are asked for.
    """

    samples: Pairs = field(default_factory=lambda: defaultdict(set))
    animations: dict[str, Pairs] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    elbos: Pairs = field(default_factory=lambda: defaultdict(set))
    cells: list[Cell] = field(default_factory=list)
    quality: list[Cell] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    models: set[Evaluation] = field(default_factory=set)
    searches: set[Evaluation] = field(default_factory=set)
    measured: list[Cell] = field(default_factory=list)

    def add_cell(
        self, cell: Cell, elbos: bool, metrics: bool = False, formats: Iterable[str] = (), shown: int = 0
    ) -> None:
        """Ask for all samples and animations of a cell of the grid, and for the ELBOs of its videos if it has any.

        metrics: whether its metrics are asked for; formats: the suffixes of the animations; shown: of how many videos
        the page shows the first sample, as MP4.
        """
        if metrics:
            self.measured.append(cell)
        self.samples[cell.evaluation].update(pairs(cell.videos, cell.samples))
        for ext in formats:
            self.animations[ext][cell.evaluation].update(pairs(cell.videos, cell.samples))
        self.animations["mp4"][cell.evaluation].update(pairs(min(shown, cell.videos), 1))
        if elbos and cell.has_elbo:
            self.elbos[cell.evaluation].update(pairs(cell.videos, 1))

    def add_path(self, path: str) -> bool:
        """Ask for what a target needs; false if it belongs to neither an evaluation, plans nor baselines.

        Raises `InputError` if the path names an impossible evaluation.
        """
        if _WITHOUT_SAMPLES.fullmatch(path) or _QUALITY.fullmatch(path):
            return True
        match = _TARGET.fullmatch(path)
        if match is None:
            return False
        evaluation = Evaluation.parse(match["directory"])
        if match["kind"] or match["true_video"] or match["rows"]:
            evaluation.mode.given("obs_length")  # or nothing tells which frames are generated
        if match["kind"] == "plans":
            self.samples[evaluation].add((int(match["video"]), int(match["sample"])))
        elif match["kind"]:
            wanted = self.samples if match["kind"] == "samples" else self.animations[match["ext"]]
            wanted[evaluation].add((int(match["video"]), int(match["sample"])))
            self.files.add(path)
        elif match["true_video"]:
            self.samples[evaluation].add((int(match["true_video"]), int(match["true_sample"])))
        elif match["rows"]:
            shown = int(match["rows"]), int(match["columns"])
            check_shown(path, *shown)
            self.samples[evaluation].update(pairs(*shown))
        elif match["elbo"] or match["elbos"]:
            check_elbo(evaluation.mode)
            if match["elbo"]:
                self.elbos[evaluation].add((int(match["elbo"]), 0))
                self.files.add(path)
            else:
                self.elbos[evaluation].update(pairs(int(match["elbos"]), 1))
        elif cell := metrics_cell(path):
            self.measured.append(cell)
            self.samples[evaluation].update(pairs(cell.videos, cell.samples))
        elif path.endswith("/model_config.json"):
            self.models.add(evaluation)
        elif match["search"] or evaluation.mode.optimal is not None:  # its plan needs the schedule
            searches_of(evaluation)
            self.searches.add(evaluation)
        return True


def pairs(videos: int, samples: int) -> Iterator[tuple[int, int]]:
    """(video, sample) of the first `samples` samples of the first `videos` videos. Raises `InputError` for too many."""
    check_count(videos, samples)
    return product(range(videos), range(samples))


def metrics_cell(path: str) -> Cell | None:
    """What a metrics file `results/…/metrics_<videos>-<samples>-<T>.pkl` measures; `None` for other paths.

    Raises `InputError` if the path names an impossible evaluation.
    """
    match = _TARGET.fullmatch(path)
    if match is None or not match["videos"]:
        return None
    evaluation = Evaluation.parse(match["directory"])
    check_metrics_length(evaluation.mode, int(match["T"]))
    return Cell(evaluation, *(int(match[name]) for name in ("videos", "samples", "T")))


def read_request(
    arguments: Sequence[str],
    grid: Iterable[Cell],
    elbos: bool = False,
    formats: Iterable[str] = (),
    shown: int = 0,
    quality: Iterable[Cell] = (),
) -> Request:
    """What a command line asks for: its targets that are paths, and the grid unless there are only such.

    elbos: whether ELBOs belong to the grid even if no target is called `elbos`; formats: suffixes of its animations;
    shown: how many videos its page shows; quality: cells that are asked for beside it. Other arguments do no harm:
    Snakemake makes what its targets need, and only the division into jobs is decided here.
    """
    request = Request()
    # `--quiet all` is no target.
    arguments = [word for before, word in pairwise(["", *arguments]) if before not in ("--quiet", "-q")]
    for word in arguments:
        _check_path(word)
    own = [request.add_path(path) for path in map(relative, arguments) if path.startswith(f"{RESULTS}/")]
    only_others = bool(own) or not set(OTHER_TARGETS).isdisjoint(arguments)
    cells = list(grid)
    whole = not all(own) or not only_others or not set(GRID_TARGETS).isdisjoint(arguments)
    if all(own) and (whole or "plans" in arguments):
        request.cells.extend(cells)
    if whole:
        metrics = set(arguments).isdisjoint(GRID_TARGETS) or not set(arguments).isdisjoint(MEASURING)
        for cell in cells:
            request.add_cell(cell, elbos or "elbos" in arguments, metrics, formats, shown)
    request.quality.extend(quality)
    for cell in request.quality:
        request.add_cell(cell, elbos=False, metrics=True)
    return request


def asks_for_quality(targets: Iterable[str]) -> bool:
    """Whether the comparison of samplers is asked for, by its name or one of its files."""
    return any(word == "quality" or _QUALITY.fullmatch(relative(word)) for word in targets)


def read_grid(blocks: Iterable[GridBlock]) -> list[Cell]:
    """The cells of the configured grid. Raises `InputError` for one that is impossible or comes twice."""
    cells: dict[Evaluation, Cell] = {}
    for block in blocks:
        for names in product(block.runs, block.checkpoints, block.modes):
            try:
                evaluation = Evaluation.named(*names)
                T = block.frames or evaluation.mode.T
                if T is None:
                    raise InputError(f"mode {str(evaluation.mode)!r} has no T, so frames must be given")
                check_metrics_length(evaluation.mode, T)
                check_count(block.videos, block.samples)
            except InputError as error:
                raise InputError(f"config key grid: {error}") from None
            if evaluation in cells:
                raise InputError(f"config key grid: {evaluation.directory} comes twice")
            cells[evaluation] = Cell(evaluation, block.videos, block.samples, T)
    return list(cells.values())


def check_metrics_length(mode: Mode, T: int) -> None:
    """Metrics of T frames need videos that long, and one generated frame at least. Raises `InputError`."""
    name, observed = str(mode), mode.given("obs_length")
    if mode.T is not None and mode.T < T:
        raise InputError(f"metrics of {T} frames: videos of mode {name!r} have {mode.T}")
    if observed >= T:
        raise InputError(
            f"metrics of {T} frames: mode {name!r} observes the first {observed}, generates none"
        )


def check_elbo(mode: Mode) -> None:
    """Raise `InputError` for a mode that has no plan, or that gives videos no probability."""
    check_chain_rule(mode, base_plan(mode))


def check_count(videos: int, samples: int) -> None:
    """Raise `InputError` for more samples than can be planned."""
    if videos * samples > _MOST_FILES:
        raise InputError(
            f"{videos} videos with {samples} samples of each: must be {_MOST_FILES} files at most"
        )


def check_shown(path: str, videos: int, samples: int) -> None:
    """Raise `InputError` for more videos side by side than can be looked at."""
    if (shown := videos * (samples + 1)) > MOST_SHOWN:
        raise InputError(
            f"{path}: {videos} videos, the truth and {samples} samples of each, are {shown} side by side; "
            f"must be {MOST_SHOWN} at most"
        )


def _check_path(argument: str) -> None:
    """Raise `InputError` for a path of results that could lead out of their tree, or that no file system takes."""
    folders = argument.removeprefix("./").split("/")
    if folders[0] == RESULTS and ".." in folders:
        raise InputError(f"target {argument!r:.200} must stay below {RESULTS}/, without ..")
    if folders[0] == RESULTS and max(map(len, folders)) > _LONGEST_FILE_NAME:
        raise InputError(f"target {argument!r:.100}… has a name of more than {_LONGEST_FILE_NAME} characters")


def relative(argument: str) -> str:
    """A path as Snakemake names it: from the working directory."""
    return os.path.relpath(argument) if argument else argument
