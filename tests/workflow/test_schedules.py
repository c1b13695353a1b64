"""Optimal modes in the workflow: the schedule is searched stage by stage, merged, and sampled with."""

from __future__ import annotations

import json

import torch
from small_project import CHECKPOINT, FOLDER

MODE = "autoreg_optimal-linspace-t_4_2_8_4"
SAMPLE = f"{FOLDER}/{MODE}/samples/sample_0000-0.npy"
PLAN = f"{FOLDER}/{MODE}/plan.json"
SEARCHED = {f"{FOLDER}/{MODE}/optimal/stage_{stage}.json" for stage in (0, 1)}
SCHEDULE = f"{FOLDER}/{MODE}/optimal_schedule.json"


def test_a_schedule_is_searched_and_sampled_with(fresh):
    fresh.configure(optimal={"diffusion_steps": 1, "videos": 2})
    fresh.make(SAMPLE, PLAN)
    stages = json.loads((fresh.root / SCHEDULE).read_text())["stages"]
    planned = json.loads((fresh.root / PLAN).read_text())["stages"]
    assert [stage["observed"] for stage in stages] == [stage["observed"] for stage in planned]
    assert [stage["latent"] for stage in planned] == [[4, 5], [6, 7]]
    assert all(len(set(stage["observed"])) == 2 for stage in planned)
    # What was found stays: neither its parts nor settings nor the checkpoint's date make a new search.
    (fresh.root / SAMPLE).unlink()
    for file in SEARCHED:  # they were made
        (fresh.root / file).unlink()
    (fresh.root / "checkpoints" / CHECKPOINT / "ema_0.9999_000100.pt").touch()
    fresh.configure(optimal={"diffusion_steps": 1, "videos": 1})
    assert fresh.outputs(SAMPLE, PLAN) == {SAMPLE}


def test_a_schedule_of_the_original_is_taken_as_it_is(fresh):
    (fresh.root / PLAN).parent.mkdir(parents=True)
    torch.save({0: [0, 3], 1: [2, 5]}, (fresh.root / PLAN).with_name("optimal_schedule.pt"))
    assert fresh.outputs(SAMPLE, PLAN) == {SAMPLE, PLAN}
    fresh.make(PLAN)
    assert [stage["observed"] for stage in json.loads((fresh.root / PLAN).read_text())["stages"]] == [
        [0, 3],
        [2, 5],
    ]
    torch.save({0: [0, 3]}, (fresh.root / PLAN).with_name("optimal_schedule.pt"))
    line = fresh.refused("-n", SAMPLE).splitlines()[-1]
    assert line.startswith("error: ") and "no observed frames for stage 1" in line


def test_what_cannot_be_searched_is_refused_at_once(fresh):
    fresh.configure(optimal={"diffusion_steps": 2, "videos": 3})
    line = fresh.refused("-n", SAMPLE).splitlines()[-1]
    assert line.startswith("error: config key optimal.videos is 3, must be a multiple")
