"""docs/library.md and docs/first-steps.ipynb, executed: in a folder with the demo's checkpoint, data and results."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from small_project import copy_parts

import viddiff
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.jobs.job import Job
from viddiff.jobs.measurement import measure_samples
from viddiff.jobs.sampling import sample_videos
from viddiff.metrics.base import MetricSettings
from viddiff.tree.paths import Evaluation

DOCS = Path(__file__).parents[1] / "docs"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", (DOCS / "library.md").read_text(), flags=re.MULTILINE | re.DOTALL
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    copy_parts(tmp_path, "checkpoints")
    write_bouncy_balls(tmp_path / "data", "test", 4, length=60)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    viddiff.register_modes({})


def results():
    """A sample and its metrics, as the workflow leaves them."""
    evaluation = Evaluation.named("demo", "ema_0.995_002082_respaceddim2", "autoreg_10_5_20_10")
    job = Job(evaluation, lambda name, split: viddiff.open_dataset(name, split, "data"))
    sample_videos(job, evaluation.checkpoint_file(), [0], 0, batch_size=1)
    (evaluation.directory / "model_config.json").write_text('{"dataset": "bouncy_balls"}')
    measure_samples(job, 1, 1, 20, ["psnr"], MetricSettings())


@pytest.mark.long
def test_the_page_runs_as_it_stands_but_for_the_number_of_diffusion_steps(
    folder, alexnet, monkeypatch, capsys
):
    monkeypatch.setattr("viddiff.video_model.default_alexnet", lambda: alexnet)
    results()
    names = {}
    for block in BLOCKS:
        exec(block.replace('respacing="10"', 'respacing="2"'), names)
    assert len(BLOCKS) >= 9
    assert names["video"].shape == (1, 60, 3, 32, 32) and names["psnr"].shape == (1, 50)
    assert Path("sample.gif").is_file() and Path("plan.png").is_file()
    assert names["nothing"].shape == (2, 10, 3, 32, 32)
    assert list(names["table"]["mode"]) == ["autoreg_10_5_20_10"]
    printed = capsys.readouterr().out
    assert "videos are uint8 [1, 9, 3, 32, 32]; mode 'autoreg_10_5_60_10' and this model need" in printed
    assert "stages; the first makes frames" in printed


@pytest.mark.long
def test_the_notebook_runs_as_it_stands_but_for_the_number_of_diffusion_steps(folder):
    text = (DOCS / "first-steps.ipynb").read_text()
    few = text.replace(r"respacing=\"5\"", r"respacing=\"2\"")
    assert few != text
    notebook = nbformat.reads(few, as_version=4)
    NotebookClient(notebook, timeout=300).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert not [output for output in outputs if output.output_type == "error"]
