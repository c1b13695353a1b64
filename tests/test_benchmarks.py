"""The benchmarks that documents quote, at toy size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from benchmarks import (
    ablation,
    animations,
    apart,
    fvd,
    gpu,
    gpu_checks,
    gpu_network,
    gpu_videos,
    loading,
    sizes,
    solvers,
    startup,
    training,
    video,
)
from report.fake_metrics import summary, write_metrics
from seeded import TINY, save_checkpoint, seeded_model

from viddiff.data.bouncy_balls import write_bouncy_balls
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


def test_the_costs_of_precisions_and_what_weights_take_by_formula(capsys, monkeypatch):
    monkeypatch.setattr(training, "measured", training.measure)
    threads = str(torch.get_num_threads())
    wanted = ["float32", "tf32"]
    assert (
        training.main(["--device=cpu", "--toy", "--steps=1", "--threads", threads, "--precisions", *wanted])
        == 0
    )
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| toy")]
    assert [row[1] for row in rows] == [*wanted, "the original's `use_fp16`"]
    assert float(rows[0][3]) > 0 and "has no TF32" in rows[1][2]
    total = sum(value.numel() for value in training._on_no_device(training.TOY).parameters())
    assert training.state_bytes(training.TOY, "float32", averages=2) == 24 * total
    assert 20 * total < training.state_bytes(training.TOY, "float16") < 22 * total
    assert 24 * total < training.originals_bytes(training.TOY) < 28 * total


@pytest.fixture
def toy_gpu(monkeypatch):
    """Sections of gpu.py in this process, with one network and one precision."""
    monkeypatch.setattr(gpu, "rows_of", lambda part, arguments, seconds: part(*arguments))
    for module in gpu_network, gpu_videos:
        monkeypatch.setattr(module, "NETWORKS", ("demo",))
    monkeypatch.setattr(gpu_network, "PRECISIONS", ("float32",))
    monkeypatch.setattr(
        gpu_network, "seconds_of", lambda function, device, *rest: gpu_network.once(function, device)
    )
    monkeypatch.setattr(torch, "compile", lambda network, **options: network)
    monkeypatch.setattr("viddiff.model.compiled.check_compiler", lambda device: None)
    monkeypatch.setattr(gpu_checks, "MODELS", ["seed_default"])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.long
def test_all_that_a_gpu_is_asked(toy_gpu, tmp_path, capsys):
    output = tmp_path / "gpu.json"
    arguments = ["--device", "cpu", "--toy", "--weights", str(tmp_path), "--output", str(output)]
    assert gpu.main(arguments) == 0
    found = json.loads(output.read_text())["sections"]
    assert list(found) == list(gpu.SECTIONS)
    rows = [row for row in found["network"] if isinstance(row, dict)]
    assert [(row["windows"], row["precision"]) for row in rows] == [
        (windows, precision) for windows in (1, 2) for precision in ("original", "float32")
    ]
    assert all(row["called again"] == 0 and row["from float32"] < 1e-3 for row in rows)
    assert all(row["row alone"] < 1e-3 for row in rows)
    assert [row["verdict"] for row in found["checks"]] == ["pass", "pass"]
    assert found["waves"][0]["grey levels apart"] == 0
    assert [row.partition(" is left out")[0] for row in found["metrics"]] == ["LPIPS", "I3D"]
    assert "| network | windows | precision |" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("check", gpu_checks.CHECKS, ids=lambda check: check.__name__)
def test_what_a_gpu_is_checked_for_holds_on_a_cpu(check):
    assert check(torch.device("cpu")).passed is not False


def test_a_gpu_whose_results_are_wrong(toy_gpu, monkeypatch, capsys):
    monkeypatch.setattr(gpu_checks, "TOLERANCE", 0.0)
    assert gpu.main(["--device", "cpu", "--toy", "--sections", "checks"]) == 1
    assert "| FAIL |" in capsys.readouterr().out


def test_a_section_that_fails_and_one_without_time_cost_a_line_each(toy_gpu, monkeypatch, capsys):
    def failing(*arguments):
        yield "begun"
        raise apart.PartFailed("RuntimeError: unspecified launch failure")

    def slow(*arguments):
        yield {"a": 1.0}
        raise apart.TimeOver("stopped after 3 s, its limit")

    sections = {"slow": (slow, "Slow", 3), "failing": (failing, "Failing", 3)}
    monkeypatch.setattr(gpu, "SECTIONS", sections)
    assert gpu.main(["--device", "cpu", "--sections", "slow"]) == 0
    assert gpu.main(["--device", "cpu", "--sections", "failing", "slow"]) == 1
    out = capsys.readouterr().out
    assert out.count("slow: stopped after 3 s, its limit") == 2
    assert "failing: RuntimeError: unspecified launch failure" in out and "| 1 |" in out


def test_without_a_gpu_there_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "error: device is cuda, but PyTorch finds no GPU here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "arguments", "reason"),
    [
        (json.loads, ("{",), "JSONDecodeError: Expecting property name"),
        (os._exit, (3,), "its process ended with code 3"),
    ],
)
def test_a_part_that_fails_in_its_process(part, arguments, reason):
    with pytest.raises(apart.PartFailed, match=reason) as caught:
        list(apart.rows_of(part, arguments, 60))
    assert not isinstance(caught.value, apart.TimeOver)


@pytest.mark.long
def test_a_part_in_its_process_and_what_it_started_end_in_time(tmp_path):
    assert list(apart.rows_of(range, (3,), 60)) == [0, 1, 2]
    with pytest.raises(apart.TimeOver, match="no time is left"):
        list(apart.rows_of(range, (3,), 0.0))
    file = tmp_path / "pid"
    with pytest.raises(apart.TimeOver, match="stopped after 5 s"):
        list(apart.rows_of(subprocess.run, (["sh", "-c", f"echo $$ > {file}; sleep 600; true"],), 5))
    state = Path("/proc", file.read_text().strip(), "stat")
    end = time.monotonic() + 10
    while state.exists() and state.read_text().split()[2] != "Z":  # it may be left as a zombie
        assert time.monotonic() < end
        time.sleep(0.1)


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


def test_the_speed_of_animations(capsys, monkeypatch):
    monkeypatch.setattr(animations, "REPEAT", 1)
    animations.main(["--frames", "11", "--sizes", "8"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["8x8, smooth", "8x8, noisy"]
    assert all("gif " in line and "mp4 " in line for line in lines)


def test_the_windows_per_second_of_forms(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(loading, "SIZES", {32: loading.Size(2, 12, 4, 2)})
    output = tmp_path / "loading.json"
    arguments = ["--seconds=0.01", "--forms", "npy", "mp4", "--workers", "0", f"--folder={tmp_path}"]
    assert loading.main([*arguments, "--output", str(output)]) == 0
    kinds = [(form, read) for form in ("npy", "mp4") for read in ("as it is", "decode_once")]
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "32x32" in line]
    assert [tuple(row[1:3]) for row in rows] == [*kinds, ("bouncy_balls", "as it is")]
    found = json.loads(output.read_text())
    assert all(rate > 0 for row in found.values() for rate in row.values()) and len(found) == 5


def test_the_table_of_the_ablation_which_goes_on_where_it_ended(tmp_path, capsys, monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.setattr(ablation, "RESPACING", "trailing4")
    monkeypatch.setattr(ablation, "LEVELS", 2)
    for split in ("train", "test"):
        write_bouncy_balls(tmp_path, split, 1, length=8)
    small = [
        "T=6",
        "max_frames=3",
        "batch_size=1",
        "num_heads=1",
        "attention_resolutions='8'",
        "diffusion_steps=40",
    ]
    arguments = [f"--out={tmp_path}/runs", f"--data={tmp_path}", "--seconds=0", "--seeds=1", "--videos=1"]
    arguments += ["--mode=autoreg_3_2_6_2", "--choices", "v, warm-up and cosine", "--set", *small]
    try:
        ablation.main(arguments)
        first = capsys.readouterr().out
        ablation.main(arguments)
    finally:
        torch.set_num_threads(threads)
    assert capsys.readouterr().out == first
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["base_1", "v-warm-up-and-cosine_1"]
    (row,) = [line.split(" | ") for line in first.splitlines() if line.startswith("| v, ")]
    assert row[1] == "1" and all(float(cell.strip(" |")) >= 0 for cell in row[2:])


@pytest.mark.long
def test_what_a_job_costs_before_its_first_evaluation(capsys):
    startup.main(["--repeat", "1", "--no-cluster"])
    line = capsys.readouterr().out
    assert line.startswith("to the first evaluation") and all(part in line for part in startup.PARTS_OF_START)


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
    psnr = [cell.strip() for cell in video.quality(reference, default).splitlines()[-1].split("|")]
    mean = values.mean()
    assert psnr[1:5] == ["psnr", f"{mean:.4g}", f"{mean - 1:.4g}", "-1"]
    assert float(psnr[6]) < 0.05 and psnr[8:10] == [f"{1 / mean:.1%}", "worse"]


def test_the_table_of_solvers(tmp_path, capsys, monkeypatch):
    tiny = TINY | {"diffusion_steps": 40}
    save_checkpoint(tmp_path / "tiny.pt", seeded_model(tiny).state_dict(), tiny, 1)
    monkeypatch.setattr(solvers, "LATENT", 2)
    (tmp_path / "data" / "bouncy_balls").mkdir(parents=True)
    torch.save(torch.rand(1, 100, 1, 32, 32), tmp_path / "data" / "bouncy_balls" / "test.pt")
    arguments = f"--checkpoint={tmp_path}/tiny.pt --data={tmp_path}/data --windows=1 --evaluations 1 4"
    solvers.main([*arguments.split(), "--rows", "ddim", "heun:karras", "--references", "ddim:4"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert rows[0] == "| sampler | 1 | 4 |" and rows[2].startswith("| ddim | ") and rows[2].endswith(" | 0 |")
    assert rows[3].startswith("| heun:karras | ") and solvers.most_levels("heun", 50) == 25
