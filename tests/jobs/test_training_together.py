"""What the job of a training by several processes starts, and tells of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import distributed

from viddiff.errors import InputError
from viddiff.jobs.training import _outcome, member, place_in, srun, train_together
from viddiff.training.config import training_config
from viddiff.training.joining import Board, Place

SETTINGS = {"dataset": "bouncy_balls", "T": 6, "max_frames": 2, "steps": 10, "batch_size": 2, "gpus": 2}


def test_several_machines_need_a_job_of_slurm(tmp_path):
    config = training_config(SETTINGS | {"nodes": 2, "gpus": 1})
    with pytest.raises(InputError, match="training key nodes is 2; several machines need a job of SLURM"):
        train_together(
            config, tmp_path, Path("x"), {}, threads=1, gpus=False, environment={}, stop=lambda: False
        )
    words = srun(config, 4, gpus=True)
    assert {
        "--nodes=2",
        "--ntasks=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=4",
        "--gpus-per-node=1",
    } <= set(words)
    assert "--gpus-per-node=1" not in srun(config, 4, gpus=False)


def test_places():
    assert place_in({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}) == Place(3, 4, 1)
    assert place_in({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "0"}) == Place(1, 2, 0)
    with pytest.raises(InputError, match="neither by torchrun nor by srun"):
        place_in({})


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (InputError("the loss is not finite"), "^the loss is not finite$"),
        (RuntimeError("gloo: Connection reset by peer"), "^a process of the training, 1 of 2, died"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_what_a_process_found_is_told_once(tmp_path, raised, told):
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    first = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    with pytest.raises(SystemExit), member(["127.0.0.1", store.port], first):
        raise raised
    with pytest.raises((InputError, RuntimeError), match=told):
        _outcome(Board(store), training_config(SETTINGS), tmp_path)


def test_the_step_counts_if_all_processes_came_to_their_end(tmp_path):
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for rank in range(2):
        with member(["127.0.0.1", store.port], {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0"}) as (
            board,
            _,
        ):
            if rank == 0:
                board.put("step", "7")
    assert _outcome(Board(store), training_config(SETTINGS), tmp_path) == 7
