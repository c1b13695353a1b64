"""Training that takes milliseconds: a few small videos, short windows, and a network of one layer."""

from __future__ import annotations

import torch
from torch import nn

from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.model.dropout import RowDropout

SETTINGS = {
    "dataset": "bouncy_balls",
    "T": 6,
    "steps": 8,
    "max_frames": 3,
    "batch_size": 2,
    "lr": 1e-3,
    "ema_rate": "0.9,0.5",
    "save_interval": 2,
    "log_interval": 1,
    "num_workers": 0,
    "image_size": 32,
    "num_channels": 32,
    "num_res_blocks": 1,
    "num_heads": 1,
    "attention_resolutions": "8",
    "diffusion_steps": 10,
    "noise_schedule": "cosine",
    "dropout": 0.1,
}
# With the real network.
SMALL = {"steps": 5, "ema_rate": "0.9", "max_frames": 2}


def make_data(root) -> None:
    write_bouncy_balls(root, "train", 3, length=10)
    write_bouncy_balls(root, "test", 1, length=10)


def open_data(root):
    return open_dataset("bouncy_balls", "train", root)


class Stub(nn.Module):
    """As a network is called; sees noisy and observed frames."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 3, 3, padding=1)
        self.dropout = RowDropout(0.1)

    def positions(self, window):
        return None

    def forward(self, x_t, t, window, positions=None):
        observed = window.observed[:, :, None, None, None] * window.frames
        h = torch.cat([x_t * (1 + t[:, None, None, None, None] / 1000), observed], dim=2)
        return self.dropout(self.conv(h.flatten(0, 1))).unflatten(0, x_t.shape[:2])
