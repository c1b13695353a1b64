"""What each key of today's recipe does on bouncing balls: equal time for each choice and seed, one table.

    OMP_NUM_THREADS=1 python tests/benchmarks/ablation.py --out ablation [--data data] [--seconds 3600] [--seeds 1 2 3]
        [--device cuda] [--choices base x_0 v …] [--set num_channels=32 …] [--videos 8] [--mode autoreg_10_5_60_10]

`base` is the original's training, the other choices change it by the keys that `CHOICES` has. A choice is trained
until its process has used that many seconds of the processor, on a GPU until they have passed, reading of videos
included: what shares a GPU has to share it all the time. Every call goes on where the last one ended, killed or not:
what is lost with a kill is not counted. Cosines end at the steps that `base` made with the same seed, so `base` runs
first. Then the averaged weights are measured: `x_0` is the root-mean-square error of clean frames, in [-1, 1], guessed
from noise at eight levels, the mean over them; `rmse` and `motion` are of completed test videos, sampled by ten steps
of `dpm`. Means over the seeds, and the standard deviations of one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from viddiff.data import open_dataset
from viddiff.data.base import VideoDataset
from viddiff.device import find_device
from viddiff.diffusion.denoiser import add_noise, clipped, network_denoiser
from viddiff.inference.modes import parse_mode
from viddiff.jobs.look import figures
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.video import to_model
from viddiff.video_model import VideoModel
from viddiff.window import Window

SETTINGS: dict[str, Any] = {
    "dataset": "bouncy_balls",
    "T": 60,
    "steps": 10**6,
    "image_size": 32,
    "num_channels": 32,
    "num_res_blocks": 1,
    "num_heads": 2,
    "batch_size": 4,
    "lr": 3e-4,
    "ema_rate": "0.995",
    "save_interval": 100,
    "save_latest_only": True,
    "num_workers": 0,
}
CHOICES: dict[str, dict[str, Any]] = {
    "base": {},
    "x_0": {"prediction": "x_0"},
    "v": {"prediction": "v"},
    "flow": {"prediction": "flow"},
    "edm": {"prediction": "edm"},
    "v, no signal at the end": {"prediction": "v", "zero_terminal_snr": True},
    "v, min-SNR 5": {"prediction": "v", "min_snr_gamma": 5.0},
    "v, logit-normal": {"prediction": "v", "schedule_sampler": "logit-normal"},
    "v, by loss": {"prediction": "v", "schedule_sampler": "loss-second-moment"},
    "v, warm-up and cosine": {"prediction": "v", "lr_schedule": "cosine", "lr_warmup_steps": 100},
    "v, observed noise 0.2": {"prediction": "v", "observed_noise": 0.2},
    "v, averages warm up": {"prediction": "v", "ema_warmup": True},
}
RESPACING, LEVELS = "trailing10", 8
FIGURES = ("x_0", "rmse", "motion")


def trained(
    run: Path, settings: Mapping[str, Any], data: VideoDataset, seconds: float, device: torch.device
) -> int:
    """Train until the time is used, counting that of earlier calls; the steps made."""
    run.mkdir(parents=True, exist_ok=True)
    times = run / "times.jsonl"  # the time used up to each step
    used: dict[int, float] = {0: 0.0}
    if times.is_file():
        used |= {step: spent for step, spent in map(json.loads, times.read_text().splitlines())}
    if "end" in (ended := json.loads((run / "end.json").read_text()) if (run / "end.json").is_file() else {}):
        return int(ended["end"])
    before = began = 0.0
    reached = -1
    clock = time.process_time if device.type == "cpu" else time.perf_counter

    def progress(step: int) -> None:
        nonlocal before, began, reached
        if reached < 0:  # where this call goes on
            before, began = used[step], clock()
        reached = step
        used[step] = before + clock() - began
        if step:
            with open(times, "a") as file:
                file.write(json.dumps([step, used[step]]) + "\n")

    made = train(
        training_config(settings),
        data,
        run,
        device=device,
        progress=progress,
        stop=lambda: used[reached] >= seconds,
        cores=1,
    )
    (run / "end.json").write_text(json.dumps({"end": made}))
    return made


def measured(
    run: Path, settings: Mapping[str, Any], test: VideoDataset, mode: str, videos: int, device: torch.device
) -> dict[str, float]:
    """The figures of a trained run, by name."""
    path = run / f"ema_{settings['ema_rate']}_latest.pt"
    model = VideoModel.load(path, sampler="dpm", respacing=RESPACING, device=device)
    truth = np.stack([test.video(index, parse_mode(mode).given("T")) for index in range(videos)])
    made = model.complete(truth, mode)
    return {"x_0": x_0_error(model, truth), **figures(made, truth, parse_mode(mode))}


def x_0_error(model: VideoModel, truth: np.ndarray) -> float:
    """Of the later half of a window, whose first half is observed; the noise is the same for all models."""
    K = model.config["max_frames"]
    frames = to_model(torch.from_numpy(truth[:, :K])).to(model.device)
    index = torch.arange(K, device=model.device).expand(len(frames), K)
    window = Window(frames, index, index < K // 2, index >= K // 2)
    full = VideoModel.load(model.path, device=model.device)
    levels = full.diffusion.levels()
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0)).to(frames)
    denoise = clipped(network_denoiser(full.network, full.diffusion, window, whole=False))
    errors = []
    with torch.no_grad():
        for number in range(LEVELS):
            level = levels[(2 * number + 1) * len(levels) // (2 * LEVELS)]
            estimate = denoise(add_noise(frames, noise, level.alpha, level.sigma), level).x_0
            errors.append(float((estimate - frames)[:, K // 2 :].square().mean().sqrt()))
    return statistics.fmean(errors)


def table(rows: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """A markdown table: a row for each choice."""
    lines = [f"| choice | steps | {' | '.join(FIGURES)} |", "| --- " * (2 + len(FIGURES)) + "|"]
    for choice, runs in rows.items():
        cells = [f"{statistics.fmean(run['steps'] for run in runs):.0f}"]
        for name in FIGURES:
            values = [run[name] for run in runs if name in run]
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{statistics.fmean(values):.3f}{spread}" if values else "-")
        lines.append(f"| {choice} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the trainings, kept between calls")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--seconds", type=float, default=3600.0, help="of a processor, for each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--choices", nargs="+", choices=list(CHOICES), default=list(CHOICES))
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="other keys of all trainings"
    )
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--mode", default="autoreg_10_5_60_10")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    device = find_device(options.device)
    torch.set_num_threads(1)
    shared = SETTINGS | {
        key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in options.set)
    }
    data, test = (open_dataset(shared["dataset"], split, options.data) for split in ("train", "test"))
    rows: dict[str, list[dict[str, float]]] = {choice: [] for choice in options.choices}
    for seed in options.seeds:  # a whole table with one seed comes first
        steps = 0
        for choice in ["base", *(name for name in options.choices if name != "base")]:
            settings = shared | CHOICES[choice] | {"seed": seed}
            if "lr_schedule" in settings:
                settings |= {"lr_anneal_steps": steps, "steps": steps}
                settings["lr_warmup_steps"] = min(settings["lr_warmup_steps"], steps // 10)
            run = options.out / f"{choice}_{seed}".replace(" ", "-").replace(",", "")
            made = trained(run, settings, data, options.seconds, device)
            steps = made if choice == "base" else steps
            found = run / "figures.json"
            if not found.is_file():
                figures_of = measured(run, settings, test, options.mode, options.videos, device)
                figures_of |= {"steps": made}
                found.write_text(json.dumps(figures_of))
            if choice in rows:
                rows[choice].append(json.loads(found.read_text()))
            print(f"{choice}, seed {seed}: {found.read_text()}", flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
