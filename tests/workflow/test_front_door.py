"""The workflow's samples are those of the front door, byte for byte: a mode of each kind."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from seeded import TINY, save_checkpoint, seeded_model
from small_project import CHECKPOINT, Project, copy_of

import viddiff
from viddiff.tree.paths import Evaluation

STEM = "ema_0.9999_000100"
OWN = {"look-ahead": {"pattern": {"latent": [0, 1, 3], "observed": [-1, 1], "step": 2}}}
KINDS = {
    "static": "hierarchy-2_4_2_12_4",
    "adaptive by LPIPS": "adaptive-autoreg_4_2_12_4",
    "adaptive by L2": "adaptive-l2-hierarchy-2_4_2_12_4",
    "goal-directed": "goal-directed-mixed_4_2_12_4",
    "gibbs": "gibbs-1-autoreg_4_2_9_4",
    "optimal": "autoreg_optimal_4_2_8_4",
    "guided": "gradientmethod_autoreg_4_2_8_4",
    "a user's own": "look-ahead_4_2_12_4",
    "training videos": "bouncy_balls_trainset_autoreg_4_2_8_4",
}


def evaluation_of(mode: str) -> Evaluation:
    return Evaluation.named(CHECKPOINT, f"{STEM}_ddim_respace2", mode)


@pytest.fixture(scope="module")
def sampled(empty: Project, tmp_path_factory: pytest.TempPathFactory, alexnet) -> Project:
    """A project with a sample of each kind, of a network in which every layer counts."""
    project = copy_of(empty, tmp_path_factory.mktemp("kinds") / "project")
    weights = seeded_model(TINY).state_dict()
    save_checkpoint(project.root / "checkpoints" / CHECKPOINT / f"{STEM}.pt", weights, TINY, 100)
    shutil.copy(alexnet, project.root / "data" / "lpips_alexnet.pt")
    project.configure(
        modes=OWN, optimal={"diffusion_steps": 1, "videos": 1}, sampling={"guidance_weight": 2.0}
    )
    project.make(*(str(evaluation_of(mode).sample(1, 2)) for mode in KINDS.values()))
    return project


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_the_notebooks(sampled, kind, monkeypatch):
    monkeypatch.chdir(sampled.root)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    viddiff.register_modes(OWN)
    try:
        evaluation = evaluation_of(KINDS[kind])
        mode = evaluation.mode
        model = viddiff.VideoModel.load(
            evaluation.checkpoint_file(), sampler="ddim", respacing="2", device="cpu"
        )
        video = viddiff.open_dataset("bouncy_balls", mode.split, "data").video(1)
        completed = model.complete(
            video[None],
            KINDS[kind],
            indices=[1],
            sample=2,
            schedule=evaluation.directory / "optimal_schedule.json",
            alexnet="data/lpips_alexnet.pt",
            guidance_weight=2.0,
        )
        assert np.array_equal(completed[0], viddiff.load_sample(evaluation.sample(1, 2)))
    finally:
        torch.set_num_threads(threads)
        viddiff.register_modes({})


def test_kinds_differ(sampled):
    videos = [viddiff.load_sample(sampled.root / evaluation_of(mode).sample(1, 2)) for mode in KINDS.values()]
    assert not any(np.array_equal(one[:8], two[:8]) for i, one in enumerate(videos) for two in videos[:i])
