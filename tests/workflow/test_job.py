"""What a job of the workflow is told, and that all jobs with a device treat it alike."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small_project import CONFIG, ROOT
from tqdm import tqdm

from viddiff.errors import InputError
from viddiff.tree.paths import Evaluation
from viddiff.workflow.config import check_config, load_schema, read_config
from viddiff.workflow.job import LoggedProgress, Work, each, step_bar

NAMES = {"run": "deep/tiny", "checkpoint": "ema_0.9999_000100", "mode": "autoreg_4_4_12_4", "videos": "12"}


class Wildcards(dict):
    __getattr__ = dict.__getitem__


@pytest.fixture
def work() -> Work:
    raw = {**CONFIG}
    check_config(raw, load_schema(ROOT / "config" / "schema.yaml"))
    told = SimpleNamespace(wildcards=Wildcards(NAMES), threads=1, input={"alexnet": [], "data": "data/x.pt"})
    return Work(told, read_config(raw))


def with_device(work: Work, device: str) -> Work:
    return replace(work, config=replace(work.config, device=device))


def test_the_speed_of_a_training_is_that_of_its_job():
    with step_bar(100) as shown:
        shown.step(60)
        for step in (61, 62):
            shown.step(step)
        (bar,) = tqdm._instances
        assert (bar.initial, bar.n, bar.total) == (60, 62, 100)
        shown.row({"loss": 0.012345})
        assert "loss 0.01235" in str(bar)


def test_no_job_waits_for_what_it_does_not_need():
    code = (
        "import sys, viddiff.workflow.job; print(*{'torch', 'jsonschema', 'tqdm', 'pandas'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_names_are_typed(work):
    assert work.evaluation == Evaluation.named(NAMES["run"], NAMES["checkpoint"], NAMES["mode"])
    assert work.number("videos") == 12
    assert work.input("data") == Path("data/x.pt") and work.input("alexnet") is None is work.input("schedule")


def test_a_gpu_that_is_not_there_is_refused_by_all_jobs(work, monkeypatch):
    """`device` is where training asks, `on_device` all others: samples, ELBOs, searches and measurements."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for ask in (lambda work: work.device(), lambda work: work.on_device({})):
        with pytest.raises(InputError, match="device is cuda, but PyTorch finds no GPU here"):
            ask(with_device(work, "cuda"))
    scripts = {path.stem: path.read_text() for path in (ROOT / "workflow_scripts").glob("*.py")}
    asking = {name for name, text in scripts.items() if "on_device(" in text or "work.device()" in text}
    assert asking == {"sample", "elbo", "search_stage", "evaluate", "baselines", "train"}
    assert not [name for name, text in scripts.items() if "cuda" in text]


def test_a_cpu_is_warned_of_if_nobody_asked_for_it(work, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    threads = torch.get_num_threads()
    try:
        assert with_device(work, "auto").on_device({}).device == torch.device("cpu")
        assert "no GPU found: runs on the CPU, threads: 1" in caplog.text
        caplog.clear()
        job = with_device(work, "cpu").on_device({"VIDDIFF_COMMAND": "snakemake x", "SLURM_JOB_ID": "7"})
    finally:
        torch.set_num_threads(threads)
    assert not caplog.text and job.evaluation == work.evaluation
    assert job.origin["command"] == "snakemake x" and job.origin["slurm_job"] == "7" and job.origin["host"]


def test_progress_is_logged_in_steps_of_five_percent(caplog):
    progress = LoggedProgress()
    with caplog.at_level(logging.INFO, "viddiff"):
        for done in range(1, 1001):
            progress(done, 1000)
    assert len(caplog.messages) == 21 and caplog.messages[-1] == "1000 of 1000"


def test_what_is_wrong_with_one_thing_does_not_stop_the_others(caplog):
    made: list[int] = []

    def make(number: int) -> None:
        if number == 2:
            raise InputError("two\nis odd")
        made.append(number)

    with pytest.raises(InputError, match=r"^1 of 3 were not made$"):
        each([1, 2, 3], make)
    assert made == [1, 3] and "error: two is odd" in caplog.text
    with pytest.raises(InputError, match=r"^two"):
        each([2], make)
    each([], make)
