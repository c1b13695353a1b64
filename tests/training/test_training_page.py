"""docs/training.md against the code: every key with its default, every mask distribution, its figures."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import torch

from viddiff.diffusion.noise_schedule import LINEAR
from viddiff.errors import InputError
from viddiff.flat_config import DEFAULTS, OWN
from viddiff.model.build import build_model
from viddiff.training.config import _FIXED, TrainingConfig, training_config
from viddiff.training.masks import mask_distribution

PAGE = (Path(__file__).parents[2] / "docs/training.md").read_text()
KEYS, REFUSED = PAGE.split("### Keys of the original that are not there")
ROW = re.compile(r"^\| `(\w+)` \| (`.*?`|required) \|", re.MULTILINE)
SETTINGS = {"dataset": "bouncy_balls", "T": 60, "steps": 10}


def defaults() -> dict[str, str]:
    """Every key that a user may write, and its default as the page writes it."""
    known = {key: value for key, value in (DEFAULTS | OWN).items() if key != "fake_seed"}
    for field in fields(TrainingConfig):
        if field.name != "network":
            known[field.name] = "required" if field.default is MISSING else field.default
    return {key: written(value) for key, value in known.items()}


def written(value: object) -> str:
    if value == "required":
        return "required"
    text = isinstance(value, str) and not re.fullmatch("[a-z][a-z_-]*", value)
    plain = isinstance(value, str) and not text
    return f"`{value if plain else json.dumps(value)}`"


def test_the_page_has_every_key_with_its_default_once():
    rows = ROW.findall(PAGE.split("### Mask distributions")[0])
    assert len(rows) == len(dict(rows))
    assert dict(rows) == defaults()


def test_keys_that_the_page_calls_refused_are():
    refused = dict(ROW.findall(REFUSED.split("### Mask distributions")[0]))
    assert set(_FIXED) == set(refused)
    for key in _FIXED:
        other = {bool: not DEFAULTS[key], str: "other"}.get(type(DEFAULTS[key]), 7)
        with pytest.raises(InputError, match=f"training key {key} is"):
            training_config(SETTINGS | {key: other})


def test_the_page_has_every_mask_distribution():
    table = PAGE.split("### Mask distributions")[1].split("##")[0]
    names = re.findall(r"^\| `([a-z-]+?)(?:-<.*)?` \|", table, re.MULTILINE)
    assert sorted(names[1:] if names[0] == "mask_distribution" else names) == sorted(
        mask_distribution.names()
    )


def test_the_page_has_every_noise_schedule():
    (row,) = re.findall(r"^\| `noise_schedule` .*", PAGE, re.MULTILINE)
    assert all(f"`{name}`" in row for name in (*LINEAR, "cosine"))


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        ("demo", {"image_size": 32, "num_channels": 32, "num_res_blocks": 1, "num_heads": 2}),
        ("minerl", {"num_res_blocks": 1}),
        ("default network", {}),
        ("carla", {"image_size": 128, "num_res_blocks": 1}),
    ],
)
def test_parameters_and_disk_are_as_the_page_says(size, settings):
    row = next(line for line in PAGE.splitlines() if re.match(rf"\| `?{size}", line))
    millions, gigabytes = re.search(r"\| ([0-9.]+) M \| ([0-9.]+) GB \|$", row).groups()
    config = training_config(SETTINGS | settings).to_flat()
    with torch.device("meta"):
        parameters = sum(value.numel() for value in build_model(config).parameters())
    assert float(millions) == round(parameters / 1e6, 1)
    assert float(gigabytes) == round(4 * parameters * 4 / 1e9, 2)
