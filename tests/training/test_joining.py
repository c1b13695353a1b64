"""What processes of a training must have in common before they begin."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict

import pytest
import torch
from torch import distributed

import viddiff
from viddiff.errors import InputError
from viddiff.training import joining
from viddiff.training.joining import Board, Fact, Place, check_facts, is_of_another, own_device

FIRST = Fact("n1", "2.6.0", "0.1.0", "cuda")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            Fact("n2", "2.7.0", "0.1.0", "cuda"),
            "process 1 of 2, on n2, has torch 2.7.0, process 0 on n1 has 2.6.0",
        ),
        (
            Fact("n2", "2.6.0", "0.2.0", "cuda"),
            "process 1 of 2, on n2, has viddiff 0.2.0, process 0 on n1 has 0.1.0",
        ),
        (
            Fact("n2", "2.6.0", "0.1.0", "cpu"),
            "process 1 of 2, on n2, has device cpu, process 0 on n1 has cuda",
        ),
        (
            Fact("n2", "2.6.0", "0.1.0", "cpu", "finds no GPU"),
            "process 1 of 2, on n2, finds no GPU: training keys",
        ),
    ],
)
def test_processes_that_differ_are_refused(other, message):
    with pytest.raises(InputError, match=message) as error:
        check_facts([FIRST, other])
    assert "\n" not in str(error.value)
    check_facts([FIRST, FIRST])


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    assert own_device("cpu", Place(1, 2, 1)) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="finds no GPU; with device: cpu the processes share the processor"):
        own_device("auto", Place(1, 2, 1))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device("auto", Place(5, 6, 1)) == torch.device("cuda", 1)
    with pytest.raises(InputError, match=r"needs GPU 2 \(from 0\), PyTorch finds 2"):
        own_device("cuda", Place(2, 4, 2))


def test_the_first_line_on_a_board_stays():
    board = Board(distributed.HashStore())
    assert board.read("error") is None
    board.put("error", "one")
    board.put("error", "another")
    board.put("stop")
    assert board.read("error") == "one" and board.read("stop") == ""


def test_mixed_versions_are_told_by_all_before_they_are_a_group(monkeypatch):
    """Real processes would need another PyTorch: here two threads, of which one says that it has it."""
    board, said = Board(distributed.HashStore()), []
    board.store.set("fact_1", json.dumps(asdict(Fact("n2", "1.0", viddiff.__version__, "cpu"))))

    def begin(rank):
        with pytest.raises(InputError) as error:
            joining.join(board, Place(rank, 2, rank), "cpu")
        said.append(str(error.value))

    thread = threading.Thread(target=begin, args=(0,))
    thread.start()
    thread.join(60)
    assert len(said) == 1 and "process 1 of 2, on n2, has torch 1.0, process 0 on" in said[0]
    assert not distributed.is_initialized()


def test_errors_that_are_of_another_process():
    assert is_of_another(RuntimeError("[gloo/transport/tcp/pair.cc:545] Connection reset by peer"))
    assert is_of_another(distributed.DistNetworkError("no answer"))
    assert not is_of_another(RuntimeError("shapes do not fit"))
    assert not is_of_another(InputError("gloo"))
