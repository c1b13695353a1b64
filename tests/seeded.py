"""Recorded models: weights and noise from a seed, inputs and results from `tests/golden/`; a tiny network's config."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from viddiff.checkpoint import checkpoint_dict, encode
from viddiff.files.write import write_bytes
from viddiff.model.build import build_model
from viddiff.model.unet import UNetVideoModel
from viddiff.window import Window

GOLDEN = Path(__file__).parent / "golden"
MODELS: dict[str, Any] = json.loads((GOLDEN / "models.json").read_text())

# Of the smallest network, for tests that sample: a checkpoint's settings, the others at their defaults.
TINY: dict[str, Any] = {
    "dataset": "bouncy_balls",
    "image_size": 32,
    "num_channels": 32,
    "num_res_blocks": 1,
    "num_heads": 1,
    "attention_resolutions": "2",
    "max_frames": 4,
    "T": 12,
    "diffusion_steps": 40,
}


def seeded_weights(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """The weights of a recorded model: names in sorted order, matrices scaled by their fan-in."""
    rng = np.random.RandomState(seed)
    weights = {}
    for name in sorted(shapes):
        draw = np.asarray(rng.standard_normal(shapes[name]), dtype=np.float32)
        if draw.ndim >= 2:
            draw = draw * np.float32(0.8 / np.sqrt(draw[0].size))
        else:
            draw = draw * np.float32(0.1) + np.float32(name.endswith("weight"))
        weights[name] = torch.from_numpy(draw)
    return weights


def seeded_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Recorded noise."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def seeded_model(config: dict[str, Any], seed: int = 0) -> UNetVideoModel:
    """A network of any config with weights from a seed: no layer starts at zero, so every layer counts."""
    model = build_model(config)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    model.load_state_dict(seeded_weights(shapes, seed))
    return model.eval()


@dataclass(frozen=True)
class Recorded:
    """One recorded model with its inputs and what the original computes from them (see the arrays' names)."""

    name: str
    config: dict[str, Any]
    model: UNetVideoModel
    window: Window
    x_t: Tensor
    t: Tensor
    results: dict[str, np.ndarray]


@functools.cache
def recorded(name: str) -> Recorded:
    """A recorded model by name; shared by all tests, so leave it as it is."""
    entry = MODELS[name]
    model = seeded_model(entry["config"], entry["weights_seed"])
    with np.load(GOLDEN / f"model_{name}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    window = Window(
        frames=torch.from_numpy(arrays["x0"]),
        frame_index=torch.from_numpy(arrays["frame_indices"]),
        observed=torch.from_numpy(arrays["obs_mask"]).flatten(1) > 0,
        latent=torch.from_numpy(arrays["latent_mask"]).flatten(1) > 0,
    )
    x_t, t = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["t"])
    return Recorded(name, entry["config"], model, window, x_t, t, arrays)


def save_checkpoint(path: Path, weights: dict[str, Tensor], config: dict[str, Any], step: int) -> None:
    """Write a checkpoint as training does."""
    write_bytes(path, encode(checkpoint_dict(weights, config, step)))
