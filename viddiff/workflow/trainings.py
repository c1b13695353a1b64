"""The configured training runs: what they make, and whether they are finished, as their checkpoints' steps tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from viddiff.training.run_files import (
    check_resumable,
    has_begun,
    is_trained,
    kept_steps,
    run_files,
    set_path,
    trained_step,
)
from viddiff.tree.paths import CHECKPOINTS, Evaluation
from viddiff.workflow.sections import Configuration, Training


def trained_files(config: Configuration, run: str, step: int | None = None) -> list[str]:
    """The checkpoints that training of a configured run makes at a step, or ends with: weights and their averages."""
    training = config.training[run]
    end = None if training.save_latest_only else step or training.steps
    kinds = [*(f"ema_{rate}" for rate in training.ema_rates), "model"]
    return [str(set_path(Path(CHECKPOINTS, run), kind, end)) for kind in kinds]


def averages(config: Configuration, run: str) -> list[str]:
    """The checkpoints with averaged weights that a configured run has."""
    kinds = {f"ema_{rate}" for rate in config.training[run].ema_rates}
    return [str(file.path) for file in run_files(Path(CHECKPOINTS, run)) if file.kind in kinds]


def training_resources(training: Training, here: bool) -> dict[str, Any]:
    """What the job of a training asks for. here: on this machine, where one job has all GPUs, rather than on a cluster.

    Several GPUs of a node are `gres`: the default profile limits `gpu`, of which this machine has one. On several nodes
    the job starts a task for each GPU itself, which the SLURM plugin knows from jobs that are of MPI alone: hence the
    name.
    """
    nodes, gpus = training.nodes, training.gpus
    if here or nodes * gpus == 1:
        return {"gpu": 1}
    if nodes == 1:
        return {"gres": f"gpu:{gpus}"}
    tasks = {"tasks_per_node": gpus} if gpus > 1 else {"tasks": nodes, "tasks_per_gpu": 0}
    return {"gres": f"gpu:{gpus}", "nodes": nodes, "mpi": "srun", **tasks}


def with_gpu_model(workflow: Any, rule: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What the job of a training asks for, with the model of GPUs in `gres` if one is set for its rule.

    It is then no longer set as `gpu_model`: the plugin would ask for one GPU of it beside the others.
    """
    if "gres" not in asked:
        return asked
    rule = workflow.modifier.modify_rulename(rule)
    settings = workflow.resource_settings
    own = dict(settings.overwrite_resources.get(rule, {}))
    if (model := own.pop("gpu_model", None)) is None:
        return asked
    settings.overwrite_resources = {**settings.overwrite_resources, rule: own}
    return asked | {"gres": asked["gres"].replace("gpu:", f"gpu:{model}:")}


def training_threads(training: Training) -> int:
    """The threads of the job of a training, of each of its tasks on several machines: 4 for a process."""
    return 4 * (training.gpus if training.nodes == 1 else 1)


def run_is_trained(config: Configuration, run: str) -> bool:
    """Whether a configured run has nothing left to train, as the steps of its checkpoints tell."""
    training = config.training[run]
    return is_trained(Path(CHECKPOINTS, run), training.ema_rates, training.steps, training.save_latest_only)


def beyond_the_end(config: Configuration, run: str) -> str:
    """One line if the checkpoints of a configured run are of a later step than it is to be trained to, else ""."""
    training = config.training[run]
    step = trained_step(Path(CHECKPOINTS, run), training.ema_rates)
    if step <= training.steps:
        return ""
    return f"{CHECKPOINTS}/{run} is trained to step {step}, beyond training.{run}.steps {training.steps}; left as it is"


def check_training(config: Configuration, run: str) -> None:
    """Raise `InputError` if a configured run has files in its folder that are not its own, where it would write."""
    training = config.training[run]
    check_resumable(Path(CHECKPOINTS, run), training.steps, training.save_latest_only)


def stop_message(run: str, since: float) -> str:
    """What the job of a run said that was told to stop at `since`, in seconds as of the clock, or later; else ""."""
    log = Path("logs", run, "train.log")
    if not log.is_file() or log.stat().st_mtime < since:
        return ""
    _, stopped, where = log.read_text(encoding="utf-8").rpartition(" WARNING stopped at ")
    return f"{run}: stopped at {where.strip()}" if stopped and where.count("\n") == 1 else ""


def is_to_be_trained(config: Configuration, evaluation: Evaluation) -> bool:
    """Whether training has to run before the checkpoint of an evaluation is there, and makes it."""
    file = evaluation.checkpoint_file()
    training = config.training.get(evaluation.run)
    if training is None or str(file) not in _files_to_come(config, evaluation.run):
        return False
    if training.save_latest_only:
        return evaluation.checkpoint.step == training.steps
    return not file.is_file()


def trained_before(config: Configuration, run: str) -> str | None:
    """The configured run that is trained first, as it makes the file that `run` starts from; `None`: there is none."""
    start = config.training[run].settings.get("start_from")
    if not start or has_begun(Path(CHECKPOINTS, run)):
        return None
    makers = (other for other in config.training if str(Path(start)) in _files_to_come(config, other))
    return next((other for other in makers if other != run), None)


def _files_to_come(config: Configuration, run: str) -> set[str]:
    """The checkpoints that the rest of a configured training makes, and does not thin out."""
    training = config.training[run]
    if run_is_trained(config, run):
        return set()
    if training.save_latest_only:
        return set(trained_files(config, run))
    done = trained_step(Path(CHECKPOINTS, run), training.ema_rates)
    saved = (*range(training.save_interval, training.steps, training.save_interval), training.steps)
    kept = kept_steps(saved, training.keep_last, training.keep_every)
    return {path for step in kept if step > done for path in trained_files(config, run, step)}
