"""The benchmarks that documents quote, at toy size."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from benchmarks import fvd, gpu_checks, sizes, video
from report.fake_metrics import summary, write_metrics
from seeded import TINY, save_checkpoint, seeded_model

from viddiff.metrics import i3d_rows
from viddiff.tree.paths import Evaluation

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


@pytest.fixture
def toy_video(monkeypatch, tmp_path):
    """A tiny network in place of the demo's and of the large one."""
    monkeypatch.chdir(tmp_path)
    tiny = TINY | {"diffusion_steps": 8, "noise_schedule": "cosine"}
    save_checkpoint(Path("checkpoints/demo/ema_0.9_000001.pt"), seeded_model(tiny).state_dict(), tiny, 1)
    monkeypatch.setattr(video, "LARGE", tiny)
    monkeypatch.setattr(video, "LARGE_MODE", SHORT)
    monkeypatch.setattr(video, "PART", 2)
    monkeypatch.setattr(video, "CALLS", 1)
    monkeypatch.setattr(video, "peaks", lambda path, name: [video.peak(path, None), video.peak(path, name)])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


NAMES, SHORT = ("ema_0.9_000001", "ema_0.9_000001_ddim_respace4"), "autoreg_4_2_8_2"


def test_the_factors_of_one_number(toy_video, capsys):
    assert (
        video.main(
            ["--reference", NAMES[0], "--checkpoint", NAMES[1], "--mode", SHORT, "--rounds=1", "--whole"]
        )
        == 0
    )
    text = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    for table in rows[:6], rows[6:]:
        evaluations, *factors, whole = ([float(cell) for cell in row[1:]] for row in table[2:])
        assert evaluations == [3 * 8, 3 * 4, 2.0]
        product = 2.0 * factors[0][2] * factors[1][2]
        assert whole[2] == pytest.approx(product, rel=0.05)
    assert "A whole video by the original's way" in text
    assert "snakemake --cores all results/demo/ema_0.9_000001/autoreg_4_2_8_2/metrics_24-1-8.pkl" in text


def test_the_quality_of_two_evaluations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).normal(20, 5, 30)
    for shift, name in zip((0.0, -1.0), NAMES, strict=True):
        shifted = summary(float(values.mean() + shift)) | {"per_video": [*(values + shift)]}
        write_metrics(SHORT, run="demo", checkpoint=name, metrics={"psnr": shifted}, videos=30)
    reference, default = (Evaluation.named("demo", name, SHORT) for name in NAMES)
    psnr = [cell.strip() for cell in video.quality(reference, default).splitlines()[2].split("|")]
    mean = values.mean()
    assert psnr[1:5] == ["psnr", f"{mean:.4g}", f"{mean - 1:.4g}", "-1"]
    assert float(psnr[6]) < 0.05 and psnr[8] == f"{NAMES[0]} is better"
