"""Jobs on a device whose memory holds fewer windows than they begin with."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from viddiff.data import open_dataset
from viddiff.errors import InputError
from viddiff.jobs.elbos import measure_elbos
from viddiff.jobs.job import Job
from viddiff.jobs.sampling import sample_videos
from viddiff.model.unet import UNetVideoModel
from viddiff.tree.elbos import load_elbo
from viddiff.tree.paths import Evaluation

EVALUATION = Evaluation.named("run", "model_000100_respace3", "autoreg_4_2_7_3")


@pytest.fixture
def device(tiny_tree, tmp_path, monkeypatch):
    """A function that makes samples or ELBOs where windows share calls, as on a GPU; `holds`: so many at once."""
    monkeypatch.setattr("viddiff.video_model.rows_per_call", lambda device, most: most)

    def run(place, make, videos, *, holds, progress=lambda done, total: None, **more):
        (tmp_path / place).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / place)
        calls = []

        def forward(self, x_t, t, window, positions=None):
            calls.append(len(x_t))
            if len(x_t) > holds(len(calls)):
                raise torch.OutOfMemoryError("CUDA out of memory")
            output = x_t.tanh() + window.frames.mean(dim=1, keepdim=True)  # a network that takes no time
            return torch.cat([output] * (1 + self.arch.learn_sigma), dim=2)

        monkeypatch.setattr(UNetVideoModel, "forward", forward)
        job = Job(
            EVALUATION, lambda name, split: open_dataset(name, split, tiny_tree / "data"), progress=progress
        )
        make(job, tiny_tree / "model_000100.pt", videos, *([0] if make is sample_videos else []), **more)
        return calls

    return run


def samples():
    return [np.load(EVALUATION.sample(video, 0), allow_pickle=False).astype(int) for video in range(5)]


@pytest.mark.parametrize("batch_size", [None, 5])
def test_samples_are_the_same_where_memory_runs_out_in_the_midst(device, batch_size, caplog):
    device("enough", sample_videos, range(5), holds=lambda call: 64, batch_size=batch_size)
    whole = samples()
    # Another job takes memory while the second stage is made: of the first, nothing is lost.
    stages = []
    calls = device(
        "little", sample_videos, range(5), holds=lambda call: 64 if call < 5 else 2,
        batch_size=batch_size, progress=lambda done, total: stages.append(done),
    )  # fmt: skip
    assert max(np.abs(a - b).max() for a, b in zip(whole, samples(), strict=True)) <= 1  # a grey level
    assert calls == [5, 5, 5, 5, 5, 2, 2, 2, 2, 2, 2, 1, 1, 1] and stages == [1, 2]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "out of memory with 5 windows in a network call, goes on with 2 at most"
    ]
    assert not list(EVALUATION.directory.rglob("stage_*"))


def test_what_was_made_before_memory_ran_out_altogether_is_kept(device):
    device("enough", sample_videos, range(5), holds=lambda call: 64)
    whole = samples()
    with pytest.raises(InputError, match="out of memory with a single window"):
        device("none", sample_videos, range(5), holds=lambda call: 64 if call < 5 else 0)
    assert len(list(EVALUATION.directory.rglob("stage_0000.npy"))) == 5
    assert device("none", sample_videos, range(5), holds=lambda call: 64) == [5, 5, 5]  # the second stage
    assert max(np.abs(a - b).max() for a, b in zip(whole, samples(), strict=True)) <= 1


def test_elbos_are_the_same_where_memory_runs_out(device):
    device("enough", measure_elbos, [0], holds=lambda call: 64)
    whole = load_elbo(EVALUATION.elbo(0))
    calls = device("little", measure_elbos, [0], holds=lambda call: 1)
    assert calls == [3, 1, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(load_elbo(EVALUATION.elbo(0))["total_bpd"], whole["total_bpd"], rtol=1e-5)
