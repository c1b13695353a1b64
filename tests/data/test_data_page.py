"""docs/data.md: every known dataset and its folders; the script on it makes what it says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np

from viddiff.data import open_dataset
from viddiff.data.base import dataset
from viddiff.data.listing import ARCHIVES, FILES
from viddiff.data.stored import PICTURES
from viddiff.dataset_settings import Intake

PAGE = (Path(__file__).parents[2] / "docs/data.md").read_text()


def test_the_page_has_every_dataset_with_its_folders():
    table = PAGE.split("## How to get them")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(dataset.names())
    for name, folders in rows:
        if name != "video_folder":
            assert re.findall("`(.+?)/`", folders) == [name, *dataset.find(name).folders]


def test_the_page_has_what_is_read_and_every_key():
    assert all(f"`{suffix}`" in PAGE for suffix in (*FILES, *ARCHIVES, *PICTURES))
    assert all(re.search(rf"^\| `{key.name}\b", PAGE, re.MULTILINE) for key in fields(Intake))


def test_its_script_makes_arrays_that_open(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    for split in ("train", "test"):
        Path("data/mazes", split).mkdir(parents=True)
        np.save(f"data/mazes/{split}/clip.npy", video)
    exec(re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0], {})
    made = open_dataset("mazes_cwvae", "test", "data")
    assert len(made) == 1 and np.array_equal(made.video(0), video.transpose(0, 3, 1, 2))
