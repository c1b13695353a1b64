"""The benchmarks that documents quote, at toy size."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from benchmarks import fvd, gpu_checks, sizes

from viddiff.metrics import i3d_rows

TOY = {
    "image_size": 32,
    "T": 8,
    "max_frames": 4,
    "batch_size": 1,
    "num_channels": 32,
    "num_res_blocks": 1,
    "num_heads": 1,
    "attention_resolutions": "2",
    "num_workers": 0,
}


@pytest.fixture
def in_this_process(monkeypatch):
    """A process of its own would load PyTorch anew for each size."""

    def measured(settings, *arguments):
        try:
            return sizes.measure(settings, *arguments)
        except MemoryError:
            return "out of memory"

    monkeypatch.setattr(sizes, "measured", measured)
    monkeypatch.setattr(sizes, "SIZES", {"toy": TOY, "huge": TOY | {"T": 999_999, "image_size": 4096}})


def test_the_costs_of_a_size_and_of_one_that_does_not_fit(tmp_path, capsys, in_this_process):
    threads = torch.get_num_threads()
    output = tmp_path / "sizes.json"
    arguments = ["--steps", "1", "--evaluations", "1", "--num-workers", "0", "--threads", str(threads)]
    assert sizes.main([*arguments, "--output", str(output)]) == 0
    found = json.loads(output.read_text())["sizes"]
    assert found["huge"] == "out of memory" and "| huge | out of memory |" in capsys.readouterr().out
    toy = found["toy"]
    assert 3 * 4 < toy["disk"] / toy["parameters"] < 5 * 4  # weights, average, two moments: float32
    # 132 stages of up to two new frames make 264.
    assert toy["hours"]["autoreg"]["50"] == pytest.approx(100 * 132 * 50 * toy["seconds_per_window"] / 3600)


def test_checks_of_a_device_that_pass_and_that_fail(capsys, monkeypatch):
    monkeypatch.setattr(gpu_checks, "MODELS", ["seed_default"])
    threads = torch.get_num_threads()
    try:
        assert gpu_checks.main(["--checks", "device_used", "gradients"]) == 0
        monkeypatch.setattr(gpu_checks, "TOLERANCE", 0.0)
        assert gpu_checks.main(["--checks", "outputs"]) == 1
    finally:
        torch.set_num_threads(threads)
    verdicts = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert verdicts == [["pass", "device_used"], ["pass", "gradients"], ["FAIL", "outputs"]]


def test_the_costs_of_fvd(capsys, monkeypatch):
    threads, seen = torch.get_num_threads(), []

    def of(part, length):
        seen.append(length)
        return part(slice(0, 1)).flatten(1)[:, :400]

    monkeypatch.setattr(i3d_rows, "FRAMES_PER_CALL", 0)
    monkeypatch.setattr(i3d_rows, "network_of", lambda settings: i3d_rows.Logits(of, "toy", ""))
    monkeypatch.setattr(fvd, "apart", fvd.measure)
    try:
        assert fvd.main(["--device", "cpu", "--lengths", "9", "16", "--size", "4"]) == 0
    finally:
        torch.set_num_threads(threads)
    assert seen == [9, 16] and "1 video of 16 frames" in capsys.readouterr().out
