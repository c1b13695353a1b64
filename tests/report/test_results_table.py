"""Trees of results, anywhere, as a notebook sees them."""

from __future__ import annotations

import numpy as np
import pytest

import viddiff
from viddiff.errors import InputError
from viddiff.files.write import save_npy, write_json
from viddiff.metrics.base import MetricSettings
from viddiff.metrics.measurement import Measurement
from viddiff.metrics.record import write_measurement
from viddiff.tree.paths import Evaluation

AUTOREG, HIERARCHY = "autoreg_4_2_6_2", "hierarchy-2_4_2_6_2"


@pytest.fixture
def root(tmp_path):
    """A tree somewhere else: two evaluations with metrics, one with a sample alone, and other folders."""
    for mode, counts in ((AUTOREG, (2, 10)), (HIERARCHY, (2,))):
        evaluation = Evaluation.named("deep/run", "ema_0.9999_000100", mode, tmp_path)
        write_json(evaluation.directory / "model_config.json", {"diffusion_steps": 5})
        for videos in counts:
            values = {"psnr": np.full((videos, 1, 4), 10.0 * videos)}
            measurement = Measurement(values, MetricSettings(), videos, 1, 2, 6, (8, 8), {}, "f" * 64)
            files = (evaluation.metrics(videos, 1, 6, ext) for ext in ("pkl", "json"))
            write_measurement(measurement, *files)
    sampled = Evaluation.named("other", "model_000007_ddim", AUTOREG, tmp_path)
    save_npy(sampled.sample(0, 0), np.zeros((6, 3, 8, 8), np.uint8))
    save_npy(tmp_path / "notes" / "samples" / "mine.npy", np.zeros(1))
    return tmp_path


def test_a_tree_is_read_from_any_folder(root):
    results = viddiff.Results(root)
    assert [evaluation.names for evaluation in results.evaluations()] == [
        ("deep/run", "ema_0.9999_000100", AUTOREG),
        ("deep/run", "ema_0.9999_000100", HIERARCHY),
        ("other", "model_000007_ddim", AUTOREG),
    ]
    table = results.table()
    assert list(table["mode"]) == [AUTOREG, AUTOREG, HIERARCHY]
    assert list(table["videos"]) == [2, 10, 2]
    assert list(table["psnr [dB]"]) == [20.0, 100.0, 20.0]
    assert list(table["evaluations"]) == [10, 10, 10]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no folder .*nothing"):
        viddiff.Results(tmp_path / "nothing")
    with pytest.raises(InputError, match=f"{tmp_path} holds no metrics_"):
        viddiff.Results(tmp_path).table()


def test_a_damaged_file_is_named(root):
    path = Evaluation.named("deep/run", "ema_0.9999_000100", AUTOREG, root).metrics(2, 1, 6, "json")
    path.write_text("{")
    with pytest.raises(InputError, match=f"{path}: not a metrics file"):
        viddiff.Results(root).table()
