"""ELBOs by the workflow: which files a call makes, real runs, and what has no ELBO."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from small_project import CHECKPOINT, CONFIG, FOLDER, MODES

AUTOREG = MODES[0]


def elbo(mode: str, video: int) -> str:
    return f"{FOLDER}/{mode}/elbos/elbo_{video:04d}.npy"


@pytest.mark.long
def test_the_target_elbos_makes_a_summary_of_each_mode_that_has_one(fresh):
    grid = [CONFIG["grid"][0] | {"modes": [AUTOREG, "gibbs-1-autoreg_4_4_12_4", f"gradientmethod_{AUTOREG}"]}]
    fresh.configure(grid=grid)
    made = fresh.outputs("elbos")
    assert made == {f"{FOLDER}/{AUTOREG}/elbos_7.json"} | {elbo(AUTOREG, video) for video in range(7)}
    assert not any("elbo" in file for file in fresh.outputs("report"))


def test_elbos_by_path_are_made_once_and_summarised(fresh):
    one, summary = elbo(AUTOREG, 2), f"{FOLDER}/{AUTOREG}/elbos_3.json"
    fresh.make(one)
    before = (fresh.root / one).stat().st_mtime_ns
    assert fresh.outputs(summary) == {summary, elbo(AUTOREG, 0), elbo(AUTOREG, 1)}
    fresh.make(summary)
    assert (fresh.root / one).stat().st_mtime_ns == before
    stages = np.load(fresh.root / one, allow_pickle=False)
    assert stages["latent"].tolist() == [4, 4]
    content = json.loads((fresh.root / summary).read_text())
    assert content["bpd"]["per_video"][2] == stages["total_bpd"].sum() / 8
    assert set(content["files"]) == {f"elbos/elbo_{video:04d}.npy" for video in range(3)}
    assert "Nothing to be done" in fresh.make("-n", summary)


@pytest.mark.long
def test_the_comparison_shows_bits_per_dimension_if_asked(done):
    grid = [CONFIG["grid"][0] | {"modes": [AUTOREG], "videos": 1}]
    done.configure(metrics=CONFIG["metrics"] | {"elbos": True}, grid=grid)
    summary = f"{FOLDER}/{AUTOREG}/elbos_1.json"
    assert summary in done.outputs("report")
    (done.root / "results" / "comparison.csv").unlink()
    done.make("results/comparison.csv")
    with open(done.root / "results" / "comparison.csv", newline="") as file:
        row, *baselines = csv.DictReader(file)
    assert [(line["mode"], line["bpd"]) for line in baselines[:1]] == [("last frame repeated", "")]
    assert float(row["bpd"]) == json.loads((done.root / summary).read_text())["bpd"]["mean"] > 0


def test_a_guided_mode_is_sampled_with_the_configured_weight(fresh):
    sampling = {"videos_per_job": 5, "batch_size": 8, "guidance_shifts": "mean"}
    fresh.configure(sampling=sampling | {"guidance_weight": 2})
    folder = f"results/{CHECKPOINT}/ema_0.9999_000100_respace2/gradientmethod_autoreg_4_4_8_4"
    fresh.make(f"{folder}/samples/sample_0000-0.npy")
    assert np.load(fresh.root / f"{folder}/samples/sample_0000-0.npy").shape == (8, 3, 32, 32)
    fingerprint = json.loads((fresh.root / folder / "fingerprint.json").read_text())
    assert (fingerprint["guidance_weight"], fingerprint["guidance_shifts"]) == (2, "mean")
    fresh.configure(sampling=sampling)
    text = fresh.refused(f"{folder}/samples/sample_0001-0.npy")
    assert "guidance_weight was 2.0, is now 1.0" in text
    other = folder.replace("_respace2", "_ddim_respace2")
    text = fresh.refused("-n", f"{other}/samples/sample_0000-0.npy")
    assert (
        f"{other}: guidance_shifts is mean, of the transitions of sampler ancestral, but the sampler is ddim"
        in text
    )
