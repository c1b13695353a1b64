"""What can be known to fail before the first job starts: found while the workflow plans, in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from viddiff.dataset_settings import height_width, plain_size
from viddiff.diffusion.respacing import check_respacing, diffusion_steps
from viddiff.diffusion.treatment import check_guidance
from viddiff.errors import InputError, missing_file, naming
from viddiff.files.archives import check_whole
from viddiff.flat_config import own_setting
from viddiff.inference.cost import ONE_LEVEL, check_steps
from viddiff.inference.modes import base_plan, frames_needed, make_plan, true_frames
from viddiff.model.sizes import frame_size
from viddiff.tree.fingerprint import check_claim, precision_of
from viddiff.tree.paths import Evaluation, check_run
from viddiff.tree.schedules import plan_in, schedule_file, searches_of
from viddiff.workflow.checkpoints import dataset_of, diffusion_steps_of, model_settings
from viddiff.workflow.datasets import MADE_DATASETS, Datasets
from viddiff.workflow.metric_preflight import check_weights
from viddiff.workflow.permissions import check_writable
from viddiff.workflow.sections import Configuration
from viddiff.workflow.targets import Cell
from viddiff.workflow.trainings import beyond_the_end, is_to_be_trained, run_is_trained, trained_files


def used_datasets(
    config: Configuration, grid: Iterable[Cell], datasets: Datasets
) -> list[tuple[str, str, int]]:
    """(dataset, split, frames that a video must have) of configured training runs and the grid, as far as is known.

    To a dataset that is trained on belong its test videos, if it has any.
    """
    used: dict[tuple[str, str], int] = {}

    def use(dataset: str, split: str, T: int | None) -> None:
        least = datasets.fact(dataset, "length") if datasets.knows(dataset) else None
        used[dataset, split] = max(used.get((dataset, split), 1), least or 1, T or 1)

    for run, training in config.training.items():
        use(training.dataset, "train", None if run_is_trained(config, run) else training.T)
        if datasets.knows(training.dataset) and datasets.has(training.dataset, "test"):
            use(training.dataset, "test", None)
    for cell in grid:
        mode, dataset = cell.evaluation.mode, dataset_of(config, cell.evaluation)
        if dataset is not None:
            known = datasets.known_length(dataset) if datasets.knows(dataset) else None
            goes_beyond = known is not None and known < cell.T and mode.T is not None
            needed = frames_needed(true_frames(mode, mode.given("T"))) if goes_beyond else cell.T
            use(dataset, mode.split, needed)
            if mode.optimal is not None:
                use(dataset, "train", None)  # for the search, which takes the videos that are long enough
    return [(dataset, split, T) for (dataset, split), T in sorted(used.items())]


def unknown_datasets(config: Configuration, grid: Iterable[Cell]) -> list[str]:
    """A line for each run of the grid whose dataset is not known."""
    cells = [cell for cell in grid if dataset_of(config, cell.evaluation) is None]
    return [
        f"run {run}: its dataset is not known before a job has read the checkpoint; "
        f"name it in the mode: <dataset>_{mode}"
        for run, mode in {cell.evaluation.run: cell.evaluation.mode for cell in reversed(cells)}.items()
    ]


def training_rules(training: Iterable[str]) -> dict[str, str]:
    """The configured runs by the names of their rules.

    Raises `InputError` for a wrong name, or if two would share a rule.
    """
    rules: dict[str, str] = {}
    for run in training:
        check_run(run)
        rule = "train_" + run.replace("/", "_")
        if rule in rules:
            raise InputError(
                f"config key training: {rules[rule]} and {run} would both be called {rule}; rename one"
            )
        rules[rule] = run
    return rules


def check_sampling(config: Configuration, evaluation: Evaluation, videos: int, datasets: Datasets) -> None:
    """Check that the first `videos` videos of an evaluation can be sampled, as far as it is known without reading them.

    Raises `InputError`: the mode has no plan, or another one than that of the samples that exist, or one that its
    sampler cannot execute, its optimal schedule is wrong or cannot be searched, its dataset is unknown, not there, too
    small, or of another size than the network's, its videos are broken or too short, the process lacks the diffusion
    steps, LPIPS weights that it needs are damaged, there is no checkpoint, or samples cannot be written.
    """
    mode = evaluation.mode
    if is_searched(evaluation):
        check_search(config, evaluation, datasets)
    else:
        plan = plan_in(evaluation)
        check_claim(evaluation.directory, {"plan_sha256": plan.sha256})
        with naming(str(evaluation.directory)):
            check_steps(mode, plan, evaluation.checkpoint.sampler, diffusion_steps_of(config, evaluation))
    check_checkpoint(config, evaluation)
    with naming(str(evaluation.directory)):
        if name := dataset_of(config, evaluation):
            frames = frames_needed(true_frames(mode, mode.given("T")))
            check_true_frames(config, evaluation, frames, videos, datasets)
            _check_size(config, evaluation, name, datasets.fact(name, "image_size"))
            _check_made(config, name, mode.split)
        if mode.gradient_method:
            check_guidance(config.sampling.guidance_shifts, evaluation.checkpoint.sampler)
        if mode.recipe.distance == "lpips":
            check_weights(Path(config.alexnet), "LPIPS")
    check_writable(evaluation.directory / "samples")


def check_true_frames(
    config: Configuration, evaluation: Evaluation, frames: int, videos: int, datasets: Datasets
) -> None:
    """Raise `InputError` if the first `videos` videos of an evaluation's dataset are known to have fewer frames."""
    if name := dataset_of(config, evaluation):
        split = datasets.split(name, evaluation.mode.split)
        split.check(frames, videos, "{} true frames are needed")


def check_truth(config: Configuration, cell: Cell, datasets: Datasets) -> str | None:
    """A warning if a cell is to be measured on frames that its videos are known to lack.

    Raises `InputError` if none of the metrics goes on beyond the truth, or if no generated frame has one.
    """
    path, beyond = cell.metrics("json"), config.metrics.beyond_truth
    try:
        check_true_frames(config, cell.evaluation, cell.T, cell.videos, datasets)
        return None
    except InputError as error:
        short = str(error)
    if not beyond:
        raise InputError(f"{path}: {short}; the key frames of the grid says how many are measured")
    fewest = 1 + cell.evaluation.mode.given("obs_length")
    try:
        check_true_frames(config, cell.evaluation, min(fewest, cell.T), cell.videos, datasets)
    except InputError as error:
        raise InputError(f"{path}: {error}, so that a generated frame has a true one beside it") from None
    others = [name for name in config.metrics.names if name not in beyond]
    rest = f"; {', '.join(others)} count those that have a truth" if others else ""
    return f"{path}: {short}: {', '.join(beyond)} count all{rest}"


def check_precision(config: Configuration, evaluation: Evaluation) -> None:
    """Raise `InputError` if an evaluation has samples of another precision than the new ones must or can have, or if
    the network was compiled for these alone, or for the new ones."""
    directory, wanted = evaluation.directory, config.sampling.precision
    check_claim(directory, {"compiled": config.sampling.compile or None})
    if wanted != "auto":
        check_claim(directory, {"precision": wanted})
    elif config.device == "cpu" and precision_of(directory) == "tf32":
        raise InputError(
            f"{directory} holds samples in tf32, which device cpu does not have: run this on a GPU, or remove the "
            "folder to sample it anew"
        )


def is_searched(evaluation: Evaluation) -> bool:
    """Whether the optimal schedule of a mode is to be searched."""
    return evaluation.mode.optimal is not None and not schedule_file(evaluation).is_file()


def check_search(config: Configuration, evaluation: Evaluation, datasets: Datasets) -> None:
    """Check that an optimal schedule can be searched, as far as it is known.

    Raises `InputError`: the mode has nothing to search, there are no training videos, or too few diffusion steps.
    """
    searches_of(evaluation)
    with naming(str(evaluation.directory)):
        check_steps(
            evaluation.mode,
            base_plan(evaluation.mode),
            evaluation.checkpoint.sampler,
            diffusion_steps_of(config, evaluation),
        )
        if name := dataset_of(config, evaluation):
            datasets.split(name, "train")
            _check_made(config, name, "train")
        model, asked = model_settings(config, evaluation), config.optimal.diffusion_steps
        if model and asked > model["diffusion_steps"]:
            raise InputError(
                f"config key optimal.diffusion_steps is {asked}, the checkpoint has {model['diffusion_steps']}"
            )


def check_checkpoint(config: Configuration, evaluation: Evaluation) -> None:
    """Check that the checkpoint of an evaluation is there or will be, with the diffusion steps that its folder names.

    Raises `InputError`: it is cut off, or there is none and no training that would make it; the process lacks the
    steps.
    """
    checkpoint = evaluation.checkpoint_file()
    if checkpoint.is_file():
        check_whole(checkpoint)
    elif not is_to_be_trained(config, evaluation):
        if evaluation.run not in config.training:
            raise missing_file("checkpoint", checkpoint)
        makes = (
            f"the configured training of this run makes {', '.join(trained_files(config, evaluation.run))}"
        )
        raise InputError(f"no checkpoint {checkpoint}; {beyond_the_end(config, evaluation.run) or makes}")
    spec, model = evaluation.checkpoint.respacing, model_settings(config, evaluation)
    if spec and model:
        with naming(str(evaluation.directory)):
            check_respacing(model["diffusion_steps"], spec)


def check_elbo_steps(evaluation: Evaluation) -> None:
    """Raise `InputError` for a respacing that leaves too few diffusion steps for an ELBO."""
    spec = evaluation.checkpoint.respacing
    if spec and diffusion_steps(spec) < 2:
        raise InputError(
            f"{evaluation.directory}: an ELBO needs 2 diffusion steps or more, respacing leaves 1"
        )


def _check_made(config: Configuration, dataset: str, split: str) -> None:
    folder = Path(config.data_root, dataset)
    if dataset in MADE_DATASETS and not (folder / f"{split}.pt").is_file():
        check_writable(folder)


def _check_size(config: Configuration, evaluation: Evaluation, dataset: str, size: Any) -> None:
    model = model_settings(config, evaluation)
    if size is not None and model and frame_size(model) != height_width(size):
        taken = plain_size(frame_size(model))
        raise InputError(
            f"frames of dataset {dataset} have size {size}, the checkpoint's network takes {taken}"
        )


def larger_window(config: Configuration, evaluation: Evaluation) -> str | None:
    """A warning if the windows of a mode are larger than those of the training."""
    model, asked = model_settings(config, evaluation), evaluation.mode.max_frames
    if model is None or asked is None or asked <= model["max_frames"]:
        return None
    return (
        f"{evaluation.directory}: windows of {asked} frames, the model was trained with {model['max_frames']}"
    )


def levels_unknown(config: Configuration, evaluation: Evaluation) -> str | None:
    """A warning if the frames of a mode's windows are at levels of their own, and the network was not trained so."""
    model = model_settings(config, evaluation)
    if model is None or evaluation.mode.optimal is not None or not make_plan(evaluation.mode).has_steps:
        return None
    alike = own_setting(model, "noise_levels") == "per_window"
    return f"{evaluation.directory}: {ONE_LEVEL}" if alike else None


def plan_is_outdated(evaluation: Evaluation) -> bool:
    """Whether `plan.json` exists and is no longer the mode's plan, because a user's mode was defined anew."""
    path, mode = evaluation.directory / "plan.json", evaluation.mode
    if mode.optimal is not None or not path.is_file():
        return False
    try:
        return path.read_bytes() != make_plan(mode).to_json().encode()
    except InputError:
        return True  # the job that makes it says what is wrong
