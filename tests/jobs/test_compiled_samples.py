"""Samples of a compiled network: how it is asked for, what a directory remembers, what is refused. In most tests what
PyTorch compiles is left as it is; `tests/faults/test_compiled_network.py` compiles."""

from __future__ import annotations

import json
import logging
import sys
from types import SimpleNamespace

import pytest
import torch
from seeded import TINY, save_checkpoint, seeded_model

from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.errors import InputError
from viddiff.jobs.elbos import measure_elbos
from viddiff.jobs.job import Job
from viddiff.jobs.sampling import sample_videos
from viddiff.model.compiled import CompiledNetwork, check_compiler
from viddiff.tree.paths import Evaluation
from viddiff.window import Window

EVALUATION = Evaluation.named("run", "model_000100_respace2", "autoreg_4_2_6_3")


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that samples a video, or measures its ELBO, with what would be compiled."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("viddiff.model.compiled.check_compiler", lambda device: None)
    monkeypatch.setattr("viddiff.jobs.prepare.check_compiler", lambda device: None)
    monkeypatch.setattr(torch, "compile", lambda network, mode, dynamic: network)
    write_bouncy_balls(tmp_path / "data", "test", 2, length=12)
    save_checkpoint(tmp_path / "model.pt", seeded_model(TINY).state_dict(), TINY, 100)
    job = Job(EVALUATION, lambda name, split: open_dataset(name, split, tmp_path / "data"))

    def run(video, *, compiled, elbo=False):
        if elbo:
            return measure_elbos(job, tmp_path / "model.pt", [video], batch_size=8, compiled=compiled)
        return sample_videos(job, tmp_path / "model.pt", [video], 0, batch_size=1, compiled=compiled)

    return run


def fingerprint():
    return json.loads((EVALUATION.directory / "fingerprint.json").read_text())


def test_a_directory_remembers_that_the_network_was_compiled_and_tells_each_new_size(make, caplog):
    caplog.set_level(logging.INFO)
    make(0, compiled=True)
    assert fingerprint()["compiled"] is True
    told = [line for line in caplog.messages if line.startswith("compiling the network for 1 windows of ")]
    assert len(told) == len(set(told)) > 0
    with pytest.raises(InputError, match="compiled was True, is now None"):
        make(1, compiled=False)


def test_without_compiling_nothing_of_it_is_in_the_fingerprint(make):
    make(0, compiled=False)
    assert "compiled" not in fingerprint()
    with pytest.raises(InputError, match="compiled was None, is now True"):
        make(1, compiled=True)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_an_elbo_goes_beside_samples_of_any_network(make, first, compiled):
    make(0, compiled=first)
    held = fingerprint()
    assert make(0, compiled=compiled, elbo=True)
    assert fingerprint() == held


def test_a_machine_without_a_compiler_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr("viddiff.model.compiled.importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^compile is true, but Python's package triton is absent"):
        check_compiler(torch.device("cuda"))

    def absent():
        raise RuntimeError("no compiler\nin two lines")

    builder = SimpleNamespace(get_cpp_compiler=absent)  # torch's own takes seconds to load
    monkeypatch.setitem(sys.modules, "torch._inductor.cpp_builder", builder)
    with pytest.raises(
        InputError, match=r"^compile is true, but no compiler of C\+\+ is found here: install g\+\+$"
    ):
        check_compiler(torch.device("cpu"))


class Uncompiled(torch.nn.Identity):
    """A network that is never called: what it would be compiled to is."""

    def positions(self, window, /):
        return None


class CannotCompile(RuntimeError):
    """As PyTorch has it."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            CannotCompile("CppCompileError: C++ compile error\n\nCommand:\ng++"),
            (
                InputError,
                r"^compile is true, but .* here \(CppCompileError: C\+\+ compile error Command: g\+\+\): ",
            ),
        ),
        (CannotCompile("CUDA out of memory"), (CannotCompile, "memory")),
        (RuntimeError("of a network that is wrong"), (RuntimeError, "^of a network")),
    ],
)
def test_what_cannot_be_compiled_is_told_in_one_line(monkeypatch, error, told):
    """As where Python's headers are missing, which only compiling shows. Other errors stay what they are."""

    def fail(*arguments):
        raise error

    # The module of PyTorch's own takes seconds to load.
    errors = SimpleNamespace(TorchDynamoException=CannotCompile)
    monkeypatch.setitem(sys.modules, "torch._dynamo.exc", errors)
    monkeypatch.setattr(torch, "compile", lambda network, mode, dynamic: fail)
    network = CompiledNetwork(Uncompiled(), torch.device("cpu"))
    marks = torch.zeros(1, 2, dtype=torch.bool)
    window = Window(torch.zeros(1, 2, 3, 4, 4), torch.arange(2)[None], marks, ~marks)
    with pytest.raises(told[0], match=told[1]):
        network(window.frames, torch.ones(1), window)


def test_observed_frames_are_left_out_but_where_their_numbers_are_many(monkeypatch):
    """Each number would be compiled: in training, and where frames have levels of their own."""
    found = []

    def compiled(x_t, t, window, positions):
        found.append(positions.predicted)
        return x_t

    monkeypatch.setattr(torch, "compile", lambda network, mode, dynamic: compiled)
    observed = torch.tensor([[True, False]])
    window = Window(torch.zeros(1, 2, 3, 32, 32), torch.arange(2)[None], observed, ~observed)
    for trains, t in ((False, torch.ones(1)), (False, torch.ones(1, 2)), (True, torch.ones(1))):
        network = CompiledNetwork(seeded_model(TINY), torch.device("cpu"), trains)
        network(window.frames, t, window, network.positions(window))
    assert found[0].tolist() == [1] and found[1:] == [None, None]


def test_on_a_gpu_a_result_outlives_the_next_call(monkeypatch):
    """CUDA graphs write each result to the same place."""
    place = torch.zeros(1, 2, 3, 4, 4)

    def compiled(x_t, t, window, positions):
        return place.copy_(x_t)

    monkeypatch.setattr(torch, "compile", lambda network, mode, dynamic: compiled)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)  # loads for seconds
    network = CompiledNetwork(Uncompiled(), torch.device("cuda"))
    marks = torch.zeros(1, 2, dtype=torch.bool)
    window = Window(torch.zeros_like(place), torch.arange(2)[None], marks, ~marks)
    first = network(torch.ones_like(place), torch.ones(1), window)
    network(torch.zeros_like(place), torch.ones(1), window)
    assert first.all()
