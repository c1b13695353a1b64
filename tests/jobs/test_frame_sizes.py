"""The whole chain with frames that are not square: training, samples, ELBOs, metrics, animations and the sheet."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from viddiff.checkpoint import load_checkpoint
from viddiff.data import DatasetSettings, open_dataset
from viddiff.errors import InputError
from viddiff.jobs.elbos import measure_elbos
from viddiff.jobs.job import Job
from viddiff.jobs.measurement import draw_contact_sheet, measure_samples
from viddiff.jobs.sampling import sample_videos
from viddiff.metrics.base import MetricSettings
from viddiff.render import write_gif
from viddiff.training.config import training_config
from viddiff.training.loop import train
from viddiff.tree.paths import Evaluation

HEIGHT, WIDTH, T = 24, 40, 8
OWN = {"clips": DatasetSettings("video_folder", "clips", image_size=[HEIGHT, WIDTH])}
TRAINING = {
    **{"dataset": "clips", "T": T, "steps": 1, "ema_rate": "0.9", "image_size": [HEIGHT, WIDTH]},
    **{
        "num_channels": 32,
        "num_res_blocks": 1,
        "num_heads": 1,
        "attention_resolutions": "8",
        "max_frames": 3,
    },
    **{"diffusion_steps": 10, "num_workers": 0, "noise_schedule": "cosine"},
}


def test_the_whole_chain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        (tmp_path / "clips" / split).mkdir(parents=True)
        np.save(
            tmp_path / "clips" / split / "a.npy",
            np.random.default_rng(0).integers(0, 256, (T, 50, 90, 3), np.uint8),
        )

    def opened(name, split):
        return open_dataset(name, split, tmp_path, OWN)

    assert train(training_config(TRAINING), opened("clips", "train"), "checkpoints/run") == 1
    checkpoint = tmp_path / "checkpoints/run/ema_0.9_000001.pt"
    config = load_checkpoint(checkpoint).config
    assert (config["image_size"], config["image_width"]) == (HEIGHT, WIDTH)

    evaluation = Evaluation.named("run", "ema_0.9_000001_respace2", f"autoreg_3_2_{T}_2")
    job = Job(evaluation, opened)
    (sample,) = sample_videos(job, checkpoint, [0], 0, batch_size=1)
    truth = opened("clips", "test").video(0)
    found = np.load(sample)
    assert found.shape == truth.shape == (T, 3, HEIGHT, WIDTH)
    np.testing.assert_array_equal(found[:2], truth[:2])
    facts = json.loads((evaluation.directory / "fingerprint.json").read_text())
    assert facts["dataset"]["image_size"] == [HEIGHT, WIDTH]
    sample_videos(job, checkpoint, [0], 1, batch_size=1)  # which compares its fingerprint with that
    measure_elbos(job, checkpoint, [0], batch_size=1)

    (evaluation.directory / "model_config.json").write_text(json.dumps({"dataset": "clips"}))
    measure_samples(job, 1, 1, T, ["psnr", "ssim"], MetricSettings())
    metrics = json.loads(evaluation.metrics(1, 1, T, "json").read_text())
    assert metrics["metrics"].keys() == {"psnr", "ssim"}
    write_gif("sample.gif", found, 2, scale=1)
    assert Image.open("sample.gif").height > HEIGHT and Image.open("sample.gif").width > WIDTH
    draw_contact_sheet("sheet.png", [evaluation], 1, opened)
    assert Image.open("sheet.png").width > 100

    np.save(tmp_path / "clips/test/0.npy", truth)  # before the one that was sampled
    with pytest.raises(InputError, match=r"something else: .*video 0 of the dataset is another file"):
        sample_videos(job, checkpoint, [1], 0, batch_size=1)
