"""Samples longer than memory is to hold: their frames lie in a file, and nothing else changes."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from viddiff.data import open_dataset
from viddiff.jobs.job import Job
from viddiff.jobs.sampling import sample_videos
from viddiff.model.unet import UNetVideoModel
from viddiff.tree.paths import Evaluation

FRAME = 4 * 3 * 32 * 32  # bytes in memory


class Killed(BaseException):
    pass


@pytest.fixture
def make(tiny_tree, tmp_path, monkeypatch):
    """A function that makes samples by a network that takes no time, in a folder; `kill_after` stages, it dies."""

    def forward(self, x_t, t, window, positions=None):
        output = x_t.tanh() + window.frames.mean(dim=1, keepdim=True)
        return torch.cat([output] * (1 + self.arch.learn_sigma), dim=2)

    monkeypatch.setattr(UNetVideoModel, "forward", forward)

    def run(place, mode, most, videos=(0, 1), kill_after=None):
        (tmp_path / place).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / place)
        monkeypatch.setattr("viddiff.completion.MOST_IN_MEMORY", most)
        evaluation, stages = Evaluation.named("run", "model_000100_respace2", mode), []

        def progress(done, total):
            stages.append(done)
            if len(stages) == kill_after:
                raise Killed

        job = Job(
            evaluation, lambda name, split: open_dataset(name, split, tiny_tree / "data"), progress=progress
        )
        sample_videos(job, tiny_tree / "model_000100.pt", videos, 0)
        return [evaluation.sample(video, 0) for video in videos]

    return run


@pytest.mark.parametrize("mode", ["rolling-2_4_1_9_0", "adaptive-l2-hierarchy-2_4_2_16_3"])
def test_a_long_sample_is_the_same_to_the_last_byte_after_a_stop_too(make, mode):
    whole = [path.resolve() for path in make("memory", mode, 2**27)]
    with pytest.raises(Killed):
        make("stopped", mode, 0, kill_after=3)
    with pytest.raises(Killed):
        make("stopped", mode, 2**27, kill_after=5)
    made = make("stopped", mode, 0)
    assert [path.read_bytes() for path in made] == [path.read_bytes() for path in whole]
    assert not [path for path in Path("results").rglob("*") if ".partial" in path.parts and path.is_file()]


@pytest.mark.long
def test_memory_does_not_grow_with_the_length(make):
    """Where the system resets and tells the most memory that was used: on Linux."""
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not clear.exists():
        pytest.skip("needs /proc")

    def most_used(length):
        clear.write_text("5")
        before = int(re.search(r"VmHWM:\s*(\d+)", status.read_text())[1])
        make(str(length), f"autoreg_40_20_{length}_3", 0, videos=[0])
        return (int(re.search(r"VmHWM:\s*(\d+)", status.read_text())[1]) - before) * 1024

    most_used(600)  # what is used once, whatever the length
    length = 6000
    assert most_used(length) < length * FRAME * 2 / 3  # in memory it is 1.4 times that of all frames


def test_a_sample_that_is_written_in_parts_is_as_any_other(make):
    (path,) = make("file", "autoreg_40_20_600_3", 0, videos=[0])
    np.save("again.npy", np.load(path))
    assert Path("again.npy").read_bytes() == path.read_bytes()
