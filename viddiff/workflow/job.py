"""A job of the workflow as its script sees it: a log file, signals, clear errors, and typed values for names.

with job(snakemake) as work:
    sample_videos(work.on_device(environment), ...)
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from viddiff.errors import InputError, one_line
from viddiff.inference.user_modes import register_modes
from viddiff.tree.paths import Evaluation
from viddiff.workflow.config import read_config
from viddiff.workflow.sections import Configuration

if TYPE_CHECKING:  # jobs without data or a network load no torch
    import torch

    from viddiff.data.base import VideoDataset
    from viddiff.jobs.job import Job
    from viddiff.metrics.settings import MetricSettings

T = TypeVar("T")

log = logging.getLogger("viddiff")

STOPPED = 3
"""Exit code of a job that was told to stop, by SIGTERM or SIGINT. What it finished is kept."""


class Stopped(BaseException):
    """The job was told to stop: the signal's name."""


@dataclass(frozen=True)
class Work:
    """What a job is told. snakemake: the job as its script sees it."""

    snakemake: Any
    config: Configuration

    @property
    def evaluation(self) -> Evaluation:
        """The evaluation that the job's files belong to."""
        wildcards = self.snakemake.wildcards
        return Evaluation.named(wildcards.run, wildcards.checkpoint, wildcards.mode)

    @property
    def second_file(self) -> Path | None:
        """The file of the mode's second checkpoint, if it has one."""
        second = self.evaluation.second
        return None if second is None else second.checkpoint_file()

    def number(self, wildcard: str) -> int:
        """A wildcard that is a number."""
        return int(self.snakemake.wildcards[wildcard])

    def input(self, name: str) -> Path | None:
        """An input file by its name; `None` if the job has none of that name."""
        file = self.snakemake.input.get(name)
        return Path(file) if file else None

    def open_videos(self, name: str, split: str, decoded: bool = False) -> VideoDataset:
        """A dataset of the configuration. decoded: read from arrays that its videos are decoded into once."""
        from viddiff.data import DecodedVideos, open_dataset

        config = self.config
        videos = open_dataset(name, split, config.data_root, config.datasets, config.data_cache)
        return DecodedVideos(videos, Path(config.decoded)) if decoded else videos

    def device(self) -> torch.device:
        """The configured device; where it is the CPU, with as many threads as the job has.

        Raises `InputError` if the configuration wants a GPU and there is none.
        """
        import torch

        from viddiff.device import find_device

        torch.set_num_threads(self.snakemake.threads)
        try:
            device = find_device(self.config.device)
        except InputError as error:
            raise InputError(f"config key {error}") from None
        if self.config.device == "auto" and device.type == "cpu":
            log.warning("no GPU found: runs on the CPU, threads: %d", torch.get_num_threads())
        return device

    def metric_settings(self, device: torch.device) -> MetricSettings:
        """What metrics may need besides frames, by the configuration and the job's inputs."""
        from viddiff.metrics.settings import MetricSettings

        metrics = self.config.metrics
        return MetricSettings(
            device=str(device),
            ssim_data_range=metrics.ssim_data_range,
            alexnet=self.input("alexnet"),
            i3d=self.input("i3d"),
            fvd=metrics.fvd,
            extractors=metrics.extractors,
        )

    def on_device(self, environment: Mapping[str, str], evaluation: Evaluation | None = None) -> Job:
        """What jobs with a network or a device share.

        environment: of the process, for the job's record; evaluation: if it is not the one of the job's files. Raises
        `InputError` as `device` does.
        """
        from viddiff.jobs.job import Job

        origin = {
            "command": environment.get("VIDDIFF_COMMAND"),  # set by the Snakefile
            "slurm_job": environment.get("SLURM_JOB_ID"),
            "host": socket.gethostname(),
        }
        return Job(evaluation or self.evaluation, self.open_videos, self.device(), origin, LoggedProgress())


@contextmanager
def job(snakemake: Any) -> Iterator[Work]:
    """Know the configuration's modes; log to the job's file, and warnings to standard error too, in the block.

    `InputError` and `OSError` become one line in both, and exit code 1; a signal to stop becomes one, and `STOPPED`.
    Any other error is a fault of the program: its traceback goes to both.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        Path(snakemake.log[0]).write_bytes(b"")
        log_to(snakemake.log[0])
        config = read_config(snakemake.config)
        register_modes(config.modes)
        yield Work(snakemake, config)
    except Stopped as stopped:
        log.warning("stopped by %s; what is finished is kept, the next call goes on from there", stopped)
        sys.exit(STOPPED)
    except (InputError, OSError) as error:
        log.error("error: %s", one_line(error))
        sys.exit(1)
    except Exception:
        log.exception("unexpected error")
        sys.exit(1)


def log_to(path: str) -> None:
    """Log to the end of a file, and warnings to standard error too."""
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    file = logging.FileHandler(path, mode="a", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[file, terminal])


def each(items: Sequence[T], make: Callable[[T], None]) -> None:
    """Make one thing after another; what is wrong with one is told, and no reason to leave out those behind it.

    Raises `InputError` in the end if something was wrong.
    """
    failed = 0
    for item in items:
        try:
            make(item)
        except (InputError, OSError) as error:
            if len(items) == 1:
                raise
            log.error("error: %s", one_line(error))
            failed += 1
    if failed:
        raise InputError(f"{failed} of {len(items)} were not made")


class LoggedProgress:
    """Logs progress in steps of 5% at least, so that a log stays short enough to be shown whole."""

    def __init__(self) -> None:
        self._logged = -1

    def __call__(self, done: int, total: int) -> None:
        if 20 * done // total > self._logged:
            self._logged = 20 * done // total
            log.info("%d of %d", done, total)


class StepBar:
    """A progress bar of training steps, with the loss.

    It begins at the first step that it is told: its speed is that of this job.
    """

    def __init__(self, bar: Any) -> None:
        self._bar, self._begun = bar, False

    def step(self, step: int) -> None:
        """Show that so many steps are made."""
        bar = self._bar
        if self._begun:
            bar.update(step - bar.n)
            return
        self._begun = True
        bar.initial = bar.n = bar.last_print_n = step
        bar.start_t = bar.last_print_t = time.time()
        bar.refresh()

    def row(self, row: Mapping[str, float]) -> None:
        """Show the loss of a row of the training's log."""
        self._bar.set_postfix_str(f"loss {row['loss']:.4g}", refresh=False)

    def say(self, text: str) -> None:
        """Log a line, and show it above the bar."""
        log.info("%s", text)
        self._bar.write(text, file=sys.stderr)


@contextmanager
def step_bar(total: int) -> Iterator[StepBar]:
    """A bar of so many training steps."""
    from tqdm import tqdm

    with tqdm(total=total, unit="step", mininterval=5.0) as bar:
        yield StepBar(bar)


def _stop(number: int, frame: object) -> None:
    raise Stopped(signal.Signals(number).name)
