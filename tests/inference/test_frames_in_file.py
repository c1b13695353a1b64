"""Frames in a file are those of a tensor: indexed alike, completed alike."""

import re

import pytest
import torch
from test_complete import identities, noisy_mean, videos

import viddiff.inference.frames_in_file as frames_in_file
from viddiff.errors import OutputError
from viddiff.inference.complete import complete
from viddiff.inference.frames_in_file import FramesInFile
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.inference.select import l2_embedding

SHAPE = (2, 9, 3, 4, 4)
ROWS, NUMBERS = torch.tensor([[0], [1], [0]]), torch.tensor([[3, 8], [0, 1], [8, 2]])


def test_it_is_indexed_as_a_tensor(tmp_path):
    tensor, file = torch.zeros(SHAPE), FramesInFile(tmp_path / "new", SHAPE, torch.device("cpu"))
    for key in [(slice(None), [4, 1]), (1, [0, 8, 2]), (ROWS, NUMBERS), (0, []), (slice(None), [])]:
        tensor[key] = file[key] = torch.randn(tensor[key].shape)
        assert torch.equal(file[key], tensor[key]) and file[key].shape == tensor[key].shape
    assert torch.equal(file[:, range(9)], tensor) and len(file) == 2
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    "name", ["hierarchy-2_6_3_30_4", "adaptive-l2-autoreg_6_3_30_0", "gibbs-1-autoreg_6_3_30_2"]
)
def test_videos_are_completed_in_it_as_in_memory(name, tmp_path):
    plan = make_plan(parse_mode(name))
    start = videos(2, plan.length)
    file = FramesInFile(tmp_path, start.shape, start.device)
    in_memory, in_file = (
        complete(plan, start, identities(0, 1), noisy_mean, embed=l2_embedding, store=store)
        for store in (None, file)
    )
    assert torch.equal(in_file.frames[:, range(plan.length)], in_memory.frames)
    assert in_file.plans == in_memory.plans


def test_a_full_disk_is_told_in_one_line(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    file = FramesInFile(tmp_path, SHAPE, torch.device("cpu"))
    monkeypatch.setattr(frames_in_file.os, "pwrite", full)
    with pytest.raises(
        OutputError, match=f"^cannot write frames in {re.escape(str(tmp_path))}: No space left"
    ):
        file[0, [1]] = torch.zeros(1, 3, 4, 4)
