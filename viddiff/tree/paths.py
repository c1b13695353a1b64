"""The tree of results: what a path says, and the path of what is to be made. The layout is known here alone.

    results/<run>/<checkpoint>/<mode>/            an evaluation directory
        model_config.json
        samples/sample_<video:04d>-<sample>.npy, and .plan.json beside it if the mode chooses frames
        samples/.partial/sample_<video:04d>-<sample>/stage_<n:04d>.npy, while it is being made
        videos/sample_<video:04d>-<sample>.gif and .mp4, beside-truth_<video:04d>-<sample>.mp4
        videos/grid_<videos>-<samples>.mp4
        metrics_<videos>-<samples>-<T>.pkl, .json, and .npz if a metric of sets of videos was measured
        elbos/elbo_<video:04d>.npy, with elbos/.partial/elbo_<video:04d>/
        elbos_<videos>.json
    results/.baselines/<dataset>/<split>/<last-frame|other-video>_<obs_length>[_goals<n>]/
        metrics_<videos>-1-<T>.json
    results/.features/<descriptor>-<protocol>/<ab>/<sha256 of a video>.npy

`<run>` is the folder of the checkpoint file below `checkpoints/`, possibly several folders deep.
`<checkpoint>` is the stem of the file, the step if the stem ends with `latest`, and the sampler where it is
not the default one: `ema_0.9999_latest_250000_ddim_respace25`. The stem `model550000` is a name of the refactored code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath

from viddiff.diffusion.respacing import RESPACING
from viddiff.diffusion.sampler_names import SAMPLER, forms, parse_sampler
from viddiff.errors import InputError, naming
from viddiff.inference.modes import Mode, parse_mode

RESULTS = "results"
FEATURES = ".features"  # in the tree: rows of videos, kept by content, for metrics of sets
CHECKPOINTS = "checkpoints"
ANIMATIONS = ("gif", "mp4")  # suffixes of animations

BASELINES = {"last-frame": "last frame repeated", "other-video": "another true video"}
"""The completions that no model makes, by the name that begins their folder, and what they are called in tables."""

# As wide as a folder name, so that a misspelt one reaches the parser, which says what is wrong with it.
CHECKPOINT_PATTERN = r"[A-Za-z0-9_,=+][A-Za-z0-9._,=+-]*"
RUN_PATTERN = rf"{CHECKPOINT_PATTERN}(?:/{CHECKPOINT_PATTERN})*"

DEFAULT_SAMPLER = "ancestral"  # which is not named in a folder

LONGEST_NAME = 200  # of a folder; file systems take 255, of which names of logs need some
LONGEST_RUN = 1000

_CHECKPOINT = re.compile(
    r"(?P<stem>(?:model|ema_[0-9][0-9.e-]*)_(?:[0-9]+|(?P<latest>latest))|model[0-9]+)"
    r"(?(latest)_(?P<step>0|[1-9][0-9]{0,11}))"
    rf"(?:_(?P<sampler>{SAMPLER}))?"
    rf"(?:_respace(?P<respacing>{RESPACING}))?"
)
_SAMPLE = re.compile(r"sample_([0-9]{4}|[1-9][0-9]{4,})-(0|[1-9][0-9]*)")
_BASELINE = re.compile(
    rf"{RESULTS}/\.baselines/(?P<dataset>[^/]+)/(?P<split>train|test)/"
    rf"(?P<name>{'|'.join(BASELINES)})_(?P<obs_length>[0-9]+)(?:_goals(?P<goals>[0-9]+))?/"
    r"metrics_(?P<videos>[0-9]+)-1-(?P<T>[0-9]+)\.json"
)
_CHECKPOINT_FORM = (
    "model_<step>, ema_<rate>_<step>, either with latest_<step> for a latest file, or model<step>; then "
    "[_<sampler>][_respace<spec>], like ema_0.9999_latest_400000_ddim_respaceddim25; "
    f"samplers: {', '.join(form for form in forms() if form != DEFAULT_SAMPLER)}; "
    "spec: <n>, <n>,<n>,…, ddim<n>, logsnr<n>, karras<n> or trailing<n>"
)


@dataclass(frozen=True)
class CheckpointName:
    """A checkpoint and the sampler that it is used with.

    stem: of the file, `ema_0.9999_400000` or `ema_0.9999_latest`; step: what a `latest` file holds, else
    `None`; sampler: its name with its options, `ddim-eta0.5`; respacing: which diffusion steps are used, "" for
    those of the training.
    """

    stem: str
    step: int | None = None
    sampler: str = DEFAULT_SAMPLER
    respacing: str = ""

    def __post_init__(self) -> None:
        parse_sampler(self.sampler)
        _match_checkpoint(str(self))

    def __str__(self) -> str:
        """The name of the checkpoint's folder in the tree of results."""
        step = "" if self.step is None else f"_{self.step}"
        sampler = "" if self.sampler == DEFAULT_SAMPLER else f"_{self.sampler}"
        respacing = f"_respace{self.respacing}" if self.respacing else ""
        return f"{self.stem}{step}{sampler}{respacing}"

    @staticmethod
    def parse(name: str) -> CheckpointName:
        """Read a folder's name. Raises `InputError` with the form that it must have."""
        match = _match_checkpoint(name)
        step = None if match["step"] is None else int(match["step"])
        with naming(f"checkpoint {name!r}"):
            read = CheckpointName(
                match["stem"], step, match["sampler"] or DEFAULT_SAMPLER, match["respacing"] or ""
            )
        if str(read) != name:
            raise InputError(f"checkpoint {name!r}: write {read}, {DEFAULT_SAMPLER} is not named")
        return read


@dataclass(frozen=True)
class Evaluation:
    """One evaluation directory: a run, a checkpoint with its sampler, and a mode, in the tree at `root`.

    Raises `InputError` for names that could lead out of the tree, or that no file system takes.
    """

    run: str
    checkpoint: CheckpointName
    mode: Mode
    root: Path = Path(RESULTS)

    def __post_init__(self) -> None:
        check_run(self.run)
        for name, value in (("checkpoint", self.checkpoint), ("mode", self.mode)):
            _check_length(name, str(value), LONGEST_NAME)

    @staticmethod
    def named(run: str, checkpoint: str, mode: str, root: str | Path = RESULTS) -> Evaluation:
        """The evaluation directory of these names. Raises `InputError` for one that does not parse."""
        return Evaluation(run, CheckpointName.parse(checkpoint), parse_mode(mode), Path(root))

    @staticmethod
    def parse(path: str | PurePath, root: str | Path = RESULTS) -> Evaluation:
        """Read the path of an evaluation directory, `<root>/<run>/<checkpoint>/<mode>`."""
        match = re.fullmatch(rf"{re.escape(str(root))}/(.+)/([^/]+)/([^/]+)/?", str(path), re.DOTALL)
        if match is None:
            raise InputError(f"{str(path)!r} is not an evaluation directory {root}/<run>/<checkpoint>/<mode>")
        run, checkpoint, mode = match.groups()
        return Evaluation.named(run, checkpoint, mode, root)

    @property
    def second(self) -> Evaluation | None:
        """The same with the mode's second checkpoint in place of the first, if it has one: nothing lies in its folder.

        Raises `InputError` if the mode names it wrongly.
        """
        if (second := self.mode.recipe.second) is None:
            return None
        with naming(f"config key modes.{self.mode.recipe.strategy}.second"):
            name, own = CheckpointName.parse(second.checkpoint), self.checkpoint
            if name != CheckpointName(name.stem, name.step):
                raise InputError(
                    f"checkpoint {second.checkpoint!r} names a sampler or a spacing, must be "
                    f"{CheckpointName(name.stem, name.step)}: both checkpoints have those of the results' folder"
                )
            checkpoint = replace(name, sampler=own.sampler, respacing=own.respacing)
            return replace(self, run=second.run, checkpoint=checkpoint)

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs whose checkpoints it needs."""
        return (self.run,) if self.second is None else (self.run, self.second.run)

    @property
    def names(self) -> tuple[str, str, str]:
        """Run, checkpoint and mode, as the tree names them."""
        return self.run, str(self.checkpoint), str(self.mode)

    @cached_property
    def directory(self) -> Path:
        """The evaluation directory."""
        return self.root.joinpath(*self.names)

    @cached_property
    def _samples(self) -> Path:
        return self.directory / "samples"

    @cached_property
    def _videos(self) -> Path:
        return self.directory / "videos"

    def checkpoint_file(self, folder: str | Path = CHECKPOINTS) -> Path:
        """The checkpoint's file below the folder of all runs."""
        return Path(folder, self.run, f"{self.checkpoint.stem}.pt")

    def sample(self, video: int, sample: int) -> Path:
        """One completion of one test video: uint8 `[T, C, H, W]`."""
        return self._samples / f"{sample_name(video, sample)}.npy"

    def partial(self, video: int, sample: int) -> Path:
        """The folder of a sample under way: a file `stage_<n:04d>.npy` for each stage that is done."""
        return self._samples / ".partial" / sample_name(video, sample)

    def executed_plan(self, video: int, sample: int) -> Path:
        """The plan by which a sample was made, of modes that choose frames at run time."""
        return self._samples / f"{sample_name(video, sample)}.plan.json"

    def animation(self, video: int, sample: int, ext: str) -> Path:
        """The same as an animation. ext: one of `ANIMATIONS`."""
        return self._videos / f"{sample_name(video, sample)}.{ext}"

    def beside_truth(self, video: int, sample: int) -> Path:
        """The same beside the true video."""
        return self._videos / f"beside-truth_{video:04d}-{sample}.mp4"

    def video_grid(self, videos: int, samples: int) -> Path:
        """The first `samples` samples of each of the first `videos` test videos, all beside the true videos."""
        return self._videos / f"grid_{videos}-{samples}.mp4"

    def metrics(self, videos: int, samples: int, T: int, ext: str = "pkl") -> Path:
        """Metrics of the first `samples` samples of the first `videos` test videos of `T` frames."""
        return self.directory / f"metrics_{videos}-{samples}-{T}.{ext}"

    def elbo(self, video: int) -> Path:
        """The ELBO of a test video: a row per stage."""
        return self.directory / "elbos" / f"elbo_{video:04d}.npy"

    def partial_elbo(self, video: int) -> Path:
        """The folder of the finished stages of an ELBO that is under way."""
        return self.directory / "elbos" / ".partial" / self.elbo(video).stem

    def elbo_summary(self, videos: int) -> Path:
        """The ELBOs of the first `videos` test videos, summarised."""
        return self.directory / f"elbos_{videos}.json"


@dataclass(frozen=True)
class Baseline:
    """The folder of a baseline: completions of a dataset's videos that no model makes, measured as samples are.

    name: one of `BASELINES`; obs_length: leading frames that are given; goals: how many of the last ones are.
    """

    name: str
    dataset: str
    split: str
    obs_length: int
    goals: int = 0

    def metrics(self, videos: int, T: int) -> Path:
        """The record of the first `videos` videos of `T` frames; there is one completion of each."""
        goals = f"_goals{self.goals}" if self.goals else ""
        folder = Path(
            RESULTS, ".baselines", self.dataset, self.split, f"{self.name}_{self.obs_length}{goals}"
        )
        return folder / f"metrics_{videos}-1-{T}.json"

    @staticmethod
    def parse(path: str | PurePath) -> tuple[Baseline, int, int]:
        """The baseline, the number of videos and T of a record. Raises `InputError` if the path is of none."""
        match = _BASELINE.fullmatch(str(path))
        if match is None:
            raise InputError(f"{str(path)!r} is no record of a baseline")
        name, obs_length, goals = match["name"], int(match["obs_length"]), int(match["goals"] or 0)
        baseline = Baseline(name, match["dataset"], match["split"], obs_length, goals)
        return baseline, int(match["videos"]), int(match["T"])


def check_run(run: str) -> None:
    """Raise `InputError` unless a run's name is one or more folders below the tree of results."""
    _check_length("run", run, LONGEST_RUN)
    for folder in run.split("/"):
        _check_length("run", folder, LONGEST_NAME)
    if not re.fullmatch(RUN_PATTERN, run):
        raise InputError(
            f"run is {run!r}, must be folders of letters, digits and ._,=+-, with no . or - in front"
        )


def sample_name(video: int, sample: int) -> str:
    """The stem of a sample's files. video: its index in the test set; sample: which completion of it."""
    return f"sample_{video:04d}-{sample}"


def sample_of(stem: str) -> tuple[int, int] | None:
    """(video, sample) of the stem of a sample's files; `None` if it is another one."""
    match = _SAMPLE.fullmatch(stem)
    return match and (int(match[1]), int(match[2]))


def _check_length(name: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise InputError(f"{name} is {value[:40]!r}… of {len(value)} characters, must have {longest} at most")


def _match_checkpoint(name: str) -> re.Match[str]:
    match = _CHECKPOINT.fullmatch(name)
    if match is None:
        without_zeros = re.sub(r"_latest_0+(?=[0-9])", "_latest_", name)
        if _CHECKPOINT.fullmatch(without_zeros):
            raise InputError(f"checkpoint {name!r}: write {without_zeros}, with no zeros before the step")
        raise InputError(f"checkpoint {name!r} is not of the form {_CHECKPOINT_FORM}")
    return match
