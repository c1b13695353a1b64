"""What a training run reports: rows of figures, to `log.csv` and, if asked, to wandb.

A log is a function that takes a row.
"""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from jaxtyping import Int
from torch import Tensor

from viddiff.diffusion.loss import Losses
from viddiff.errors import OutputError
from viddiff.files.write import write_text

Row = dict[str, float]  # column to figure; NaN where there is none
Log = Callable[[Row], None]
Facts = Mapping[str, float | Path]  # figures, and files of pictures and videos

QUARTILES = 4
logger = logging.getLogger(__name__)


def quartile_means(losses: list[float], t: list[int], n_steps: int) -> Row:
    """Mean loss of the windows whose diffusion step is in each quarter of `n_steps`; NaN where none is."""
    parts: list[list[float]] = [[] for _ in range(QUARTILES)]
    for loss, step in zip(losses, t, strict=True):
        parts[QUARTILES * step // n_steps].append(loss)
    return {f"loss_q{q}": finite_mean(part) for q, part in enumerate(parts)}


def finite_mean(values: list[float]) -> float:
    """The mean of those that are finite, as all are but where float16 overflows; NaN if there are none."""
    finite = list(filter(math.isfinite, values))
    return fmean(finite) if finite else math.nan


def averaging_log(
    interval: int, n_steps: int, logs: Sequence[Log]
) -> Callable[[int, Losses, Int[Tensor, " B"], float, float], None]:
    """What to call after each update with its step, losses, diffusion steps, gradient norm and learning rate.

    Rows go to `logs` when the step is a multiple of `interval`; they hold means since the last row.
    """
    losses: list[float] = []
    latent: list[float] = []
    times: list[int] = []
    norms: list[float] = []
    since = time.perf_counter()

    def record(step: int, new: Losses, t: Int[Tensor, " B"], grad_norm: float, lr: float) -> None:
        nonlocal since
        losses.extend(new.loss.tolist())
        latent.extend(new.latent_mse.tolist())
        times.extend(t.tolist())
        norms.append(grad_norm)
        if step % interval:
            return
        now = time.perf_counter()
        row = {
            "step": step,
            "loss": finite_mean(losses),
            **quartile_means(losses, times, n_steps),
            "latent_mse": finite_mean(latent),
            "grad_norm": finite_mean(norms),
            "lr": lr,
            "seconds_per_step": (now - since) / len(norms),
        }
        since = now
        for values in (losses, latent, times, norms):
            values.clear()
        for log in logs:
            log(row)

    return record


def csv_log(path: Path, columns: Sequence[str], step: int) -> Log:
    """A log that appends rows to a file, `step` first. Rows beyond `step` and half rows are dropped from it first."""
    kept = [row for row in read_log(path, columns) if int(row["step"]) <= step]
    lines = [",".join(columns), *(",".join(row[column] for column in columns) for row in kept)]
    write_text(path, "\n".join(lines) + "\n")

    def append(row: Row) -> None:
        try:
            with open(path, "a", encoding="utf-8", newline="") as file:
                figures = (f"{row[column]:.6g}" for column in columns[1:])
                file.write(",".join([str(row["step"]), *figures]) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error

    return append


def wandb_log(
    run_dir: Path, mode: Literal["offline", "online"], config: Mapping[str, Any]
) -> Callable[[Facts], None]:
    """A log to wandb; the run's id is the last folder's name. Files become pictures and videos.

    The first failure ends it, with a warning.
    """
    run: Any = None
    try:
        import wandb

        run = wandb.init(
            project="viddiff",
            id=run_dir.name,
            dir=str(run_dir),
            mode=mode,
            config=dict(config),
            resume="allow",
        )
    except Exception as error:  # whatever is wrong with wandb, training goes on
        logger.warning("no wandb log: %s", error)

    def send(row: Facts) -> None:
        nonlocal run
        if run is None:
            return
        try:
            kinds = {".png": wandb.Image, ".mp4": wandb.Video}
            files = {
                key: kinds[value.suffix](str(value)) for key, value in row.items() if isinstance(value, Path)
            }
            figures = {
                key: value
                for key, value in row.items()
                if not isinstance(value, Path) and not math.isnan(value)
            }
            run.log(figures | files, step=int(figures["step"]))
        except Exception as error:
            logger.warning("wandb log ends: %s", error)
            run = None

    return send


def read_log(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The whole rows of a log file; none if there is no file."""
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.keys() >= set(columns)]
    return [row for row in rows if all(row[column] for column in columns) and row["step"].isdecimal()]
