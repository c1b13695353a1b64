"""The precision of an evaluation directory's samples: who decides it, who follows, what is refused."""

from __future__ import annotations

import json
import logging
import shutil

import pytest

import viddiff.tree.fingerprint as fingerprints
from viddiff.data import open_dataset
from viddiff.errors import InputError
from viddiff.jobs.elbos import measure_elbos
from viddiff.jobs.job import Job
from viddiff.jobs.sampling import sample_videos
from viddiff.tree.elbos import summarise_elbos
from viddiff.tree.paths import Evaluation

EVALUATION = Evaluation.named("run", "model_000100_respace2", "autoreg_4_2_5_3")


@pytest.fixture
def make(tiny_tree, tmp_path, monkeypatch):
    """A function that makes a video's sample or ELBO, on a device that has TF32 or has not."""
    monkeypatch.chdir(tmp_path)

    def run(video, precision="auto", *, tf32, elbo=False):
        monkeypatch.setattr("viddiff.precision.has_tf32", lambda device: tf32)
        job = Job(EVALUATION, lambda name, split: open_dataset(name, split, tiny_tree / "data"))
        arguments = [job, tiny_tree / "model_000100.pt", [video], *([] if elbo else [0])]
        (measure_elbos if elbo else sample_videos)(*arguments, batch_size=8, precision=precision)

    return run


def claimed() -> str:
    return json.loads((EVALUATION.directory / "fingerprint.json").read_text())["precision"]


def test_with_auto_the_first_job_decides_and_others_follow(make, caplog):
    make(0, tf32=False)
    assert claimed() == "float32"
    with caplog.at_level(logging.INFO):
        make(1, tf32=True)
    assert claimed() == "float32" and EVALUATION.sample(1, 0).exists()
    assert f"precision: float32, as that of the samples in {EVALUATION.directory}" in caplog.text


def test_samples_in_tf32_are_not_added_to_without_it(make):
    make(0, tf32=True)
    assert claimed() == "tf32"
    with pytest.raises(
        InputError, match=r"^results/run.* holds samples in tf32, but cpu \(.*no TF32.*: run this"
    ):
        make(1, tf32=False)
    assert not EVALUATION.sample(1, 0).exists()
    make(1, tf32=True)


def test_what_is_asked_for_must_be_what_is_there(make):
    make(0, "float32", tf32=True)
    assert claimed() == "float32"
    with pytest.raises(InputError, match="precision was 'float32', is now 'tf32'"):
        make(1, "tf32", tf32=True)


def test_what_the_device_cannot_is_refused_before_any_work(make):
    with pytest.raises(
        InputError, match=r"^config key sampling: precision is tf32, but cpu .*; allowed here: auto"
    ):
        make(0, "tf32", tf32=False)
    assert not EVALUATION.directory.exists()


def test_of_jobs_that_start_at_once_the_second_follows_the_first(make, monkeypatch):
    """The other job writes its claim just when this one has seen none."""
    make(0, tf32=False)
    theirs = (EVALUATION.directory / "fingerprint.json").read_text()
    shutil.rmtree(EVALUATION.directory)
    real = fingerprints.create_text

    def create_text(path, text):
        if path.parent == EVALUATION.directory:
            assert json.loads(text)["precision"] == "tf32"
            real(path, theirs)
        real(path, text)

    monkeypatch.setattr(fingerprints, "create_text", create_text)
    make(1, tf32=True)
    assert claimed() == "float32" and EVALUATION.sample(1, 0).exists()


def test_a_fingerprint_with_a_strange_precision_is_refused(make):
    make(0, tf32=False)
    file = EVALUATION.directory / "fingerprint.json"
    file.write_text(file.read_text().replace('"float32"', '"auto"'))
    with pytest.raises(
        InputError, match=r"fingerprint\.json: precision is 'auto', must be one of float32, tf32, "
    ):
        make(1, tf32=False)


def test_elbos_are_of_float32_beside_samples_of_any_precision(make):
    make(0, tf32=True)
    make(0, tf32=False, elbo=True)
    beside = EVALUATION.elbo(0).read_bytes()
    summarise_elbos(EVALUATION, 1)
    assert json.loads(EVALUATION.elbo_summary(1).read_text())["protocol"]["precision"] == "float32"
    shutil.rmtree(EVALUATION.directory)
    make(0, "tf32", tf32=False, elbo=True)  # of the samples that are to come, on another device
    assert EVALUATION.elbo(0).read_bytes() == beside and claimed() == "tf32"
    make(0, tf32=True)
    assert claimed() == "tf32"
