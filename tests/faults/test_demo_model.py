"""The shipped model makes videos that move as the true ones: sampled anew, and what they show is read from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.inference.modes import base_plan, parse_mode
from viddiff.metrics.base import Facts, MetricSettings
from viddiff.metrics.changes import changes
from viddiff.metrics.discs import count_discs, find_discs
from viddiff.metrics.frozen import frozen
from viddiff.metrics.motion import motion
from viddiff.metrics.seam import seam
from viddiff.metrics.values import stages_of
from viddiff.video_model import VideoModel

DEMO = Path(__file__).parents[2] / "checkpoints" / "demo" / "ema_0.995_002082.pt"
MODE = "autoreg_10_5_60_10"
VIDEOS = 6


@pytest.mark.long
def test_its_balls_move_bounce_and_are_three(tmp_path):
    write_bouncy_balls(tmp_path, "test", 24, length=100)
    data = open_dataset("bouncy_balls", "test", tmp_path)
    truth = np.stack([data.video(index, 60) for index in range(VIDEOS)])
    made = VideoModel.load(DEMO, sampler="ddim", respacing="10", device="cpu").complete(truth, MODE)
    facts = Facts(10, stages_of(base_plan(parse_mode(MODE)), 60))
    of_made, of_truth = (changes(video, 10, MetricSettings()) for video in (made, truth))
    assert 0.9 < motion(of_made, of_truth, facts) < 1.1
    assert seam(of_made, of_truth, facts) < 1.15
    assert frozen(of_made, of_truth, facts) < 0.1
    balls = np.stack([count_discs(find_discs(video)) for video in made])
    assert (balls[:, 10:] == 3).mean() >= 0.98
    error = ((made[:, 10:20].astype(float) - truth[:, 10:20]) ** 2).mean(axis=(2, 3, 4))
    assert (10 * np.log10(255**2 / error)).mean() > 13.3
