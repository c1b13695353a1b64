"""ELBOs end to end with a tiny network: files, what they depend on, their summary, and what has none."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from seeded import TINY, save_checkpoint, seeded_model

from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.diffusion.elbo import window_bound
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.files.write import save_npy, sha256_file
from viddiff.flat_config import with_defaults
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.inference.plan import Stage
from viddiff.inference.select import chosen_plans, l2_embedding
from viddiff.jobs.elbos import measure_elbos, true_window
from viddiff.jobs.job import Job
from viddiff.seeds import step_generator
from viddiff.tree.elbos import STAGE, bits_per_dimension, load_elbo, summarise_elbos
from viddiff.tree.paths import Evaluation
from viddiff.video import to_model

STEM = "ema_0.9999_000100"
MODE = "autoreg_4_2_6_3"  # two stages, of 2 and 1 frames


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder with a checkpoint and three short test videos."""
    root = tmp_path_factory.mktemp("tree")
    write_bouncy_balls(root / "data", "test", 3, length=12)
    save_checkpoint(root / f"{STEM}.pt", seeded_model(TINY).state_dict(), TINY, 100)
    return root


@pytest.fixture
def measure(tree, tmp_path, monkeypatch):
    """A function that measures ELBOs into an empty tree of results."""
    monkeypatch.chdir(tmp_path)

    def run(videos, *, folder=f"{STEM}_respace3", mode=MODE, path=None, batch_size=8):
        evaluation = Evaluation.named("run", folder, mode)
        made = measure_elbos(
            Job(evaluation, lambda name, split: open_dataset(name, split, tree / "data")),
            path or tree / f"{STEM}.pt",
            videos,
            batch_size=batch_size,
        )
        return evaluation, made

    return run


def truth(tree, video: int, length: int) -> torch.Tensor:
    return to_model(torch.as_tensor(open_dataset("bouncy_balls", "test", tree / "data").video(video, length)))


def test_a_row_per_stage_of_the_true_video(measure, tree):
    evaluation, made = measure([2])
    assert made == [evaluation.elbo(2)]
    stages = np.load(made[0], allow_pickle=False)
    assert stages.dtype == STAGE
    assert stages["latent"].tolist() == [2, 1] and stages["observed"].tolist() == [2, 2]
    assert set(stages["selected_on"]) == {""}
    np.testing.assert_allclose(stages["total_bpd"], stages["prior_bpd"] + stages["vb"])
    np.testing.assert_allclose(stages["bpd"], stages["total_bpd"] / [2, 1])
    assert bits_per_dimension(stages) == pytest.approx((2 * stages["bpd"][0] + stages["bpd"][1]) / 3)

    window = true_window(Stage((3, 4), (5,)), truth(tree, 2, 6))
    assert window.frame_index.tolist() == [[3, 4, 5]] and window.latent.tolist() == [[False, False, True]]
    digest = sha256_file(tree / f"{STEM}.pt")

    def noise(step):
        generator = step_generator(digest, MODE, "3", 2, 1, step)
        return torch.randn(window.frames.shape[1:], generator=generator)

    model = seeded_model(TINY)
    bound = window_bound(model, diffusion_of(with_defaults(TINY), "3"), window, noise, 3)
    expected = [bound.total, bound.prior, bound.vb.sum(), bound.xstart_mse.sum(), bound.mse.sum()]
    np.testing.assert_allclose([stages[1][name] for name in STAGE.names[:5]], expected, rtol=1e-5)


def test_an_elbo_depends_on_neither_batch_nor_order_nor_sampler(measure, tmp_path, monkeypatch):
    files = []
    for name, videos, size, ddim in [("a", [0, 1], 8, ""), ("b", [1, 0], 2, "_ddim")]:
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        evaluation, _ = measure(videos, batch_size=size, folder=f"{STEM}{ddim}_respace3")
        files.append([load_elbo(evaluation.elbo(video)) for video in (0, 1)])
    for a, b in zip(*files, strict=True):
        for term in STAGE.names[:6]:
            np.testing.assert_allclose(a[term], b[term], rtol=1e-5)
    assert files[0][0]["bpd"][0] != files[0][1]["bpd"][0]


def test_files_that_exist_stay_and_another_checkpoint_is_refused(measure, tmp_path):
    evaluation, made = measure([0])
    np.save(made[0], np.zeros(1))
    assert measure([0]) == (evaluation, [])
    assert np.load(made[0], allow_pickle=False).shape == (1,)
    made[0].write_bytes(b"cut off")
    assert measure([0]) == (evaluation, made)
    other = tmp_path / f"{STEM}.pt"
    save_checkpoint(other, seeded_model(TINY, seed=1).state_dict(), TINY, 100)
    with pytest.raises(InputError, match=r"checkpoint_sha256 was '[0-9a-f]{64}', is now '[0-9a-f]{64}'"):
        measure([1], path=other)


def test_adaptive_modes_select_on_the_true_video_and_say_so(measure, tree):
    mode = "adaptive-l2-autoreg_4_2_8_3"
    evaluation, (path,) = measure([0], mode=mode, folder=f"{STEM}_respace2")
    stages = load_elbo(path)
    assert set(stages["selected_on"]) == {"ground truth"}
    plan = make_plan(parse_mode(mode))
    (chosen,) = chosen_plans(plan, truth(tree, 0, 8)[None], l2_embedding)
    assert stages["observed"].tolist() == [len(stage.observed) for stage in chosen.stages]
    # The frames are those that the selection of the true video observes: others have other bits.
    window = true_window(chosen.stages[-1], truth(tree, 0, 8))
    digest = sha256_file(tree / f"{STEM}.pt")

    def noise(step):
        generator = step_generator(digest, mode, "2", 0, len(plan.stages) - 1, step)
        return torch.randn(window.frames.shape[1:], generator=generator)

    bound = window_bound(seeded_model(TINY), diffusion_of(with_defaults(TINY), "2"), window, noise, 2)
    assert stages[-1]["total_bpd"] == pytest.approx(bound.total, rel=1e-5)
    summarise_elbos(evaluation, 1)
    summary = json.loads(evaluation.elbo_summary(1).read_text())
    assert summary["observed_frames"] == "selected on ground truth"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "gibbs-1-autoreg_4_2_6_3"}, "no ELBO: stage 2 makes frame 3 again"),
        ({"mode": f"gradientmethod_{MODE}"}, "no ELBO: guidance"),
        ({"folder": f"{STEM}_respace1"}, "2 diffusion steps or more"),
        (
            {"mode": "autoreg_4_2_13_3"},
            "13 true frames are needed, but video 0 of dataset bouncy_balls has 12 frames",
        ),
        ({"folder": "ema_0.9999_latest_7"}, "holds step 100, the path asks for step 7"),
    ],
)
def test_what_has_no_elbo_is_refused_before_any_work(measure, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        measure([0], **arguments)
    assert not (tmp_path / "results").exists()


def test_a_network_that_overflows_has_no_elbo(measure, tmp_path):
    weights = {name: value.clone() for name, value in seeded_model(TINY).state_dict().items()}
    weights["out.2.bias"][0] = 3e38
    save_checkpoint(tmp_path / f"{STEM}.pt", weights, TINY, 100)
    with pytest.raises(
        InputError, match=rf"{STEM}\.pt, video 1, stage 0: the network's estimates of frames are not"
    ):
        measure([1], path=tmp_path / f"{STEM}.pt")
    assert not list(tmp_path.rglob("elbo_*.npy"))


def stages_of(*totals: float, latent: int = 2) -> np.ndarray:
    rows = np.zeros(len(totals), STAGE)
    rows["total_bpd"], rows["latent"] = totals, latent
    rows["prior_bpd"], rows["mse"] = 1.0, [10.0 * (number + 1) for number in range(len(totals))]
    return rows


@pytest.fixture
def written(tmp_path, monkeypatch):
    """An evaluation with ELBOs of two videos: 4 + 8 and 6 + 10 bits per dimension of a frame, 2 frames a stage."""
    monkeypatch.chdir(tmp_path)
    evaluation = Evaluation.named("run", STEM, MODE)
    save_npy(evaluation.elbo(0), stages_of(4.0, 8.0))
    save_npy(evaluation.elbo(1), stages_of(6.0, 10.0))
    origin = {
        "checkpoint_sha256": "ab",
        "diffusion_steps": [0, 1, 2],
        "variance": "large",
        "dataset": {},
        "mode": {},
    }
    (evaluation.directory / "fingerprint.json").write_text(json.dumps(origin))
    return evaluation


def test_the_summary_adds_stages_and_averages_videos(written):
    summarise_elbos(written, 2)
    summary = json.loads(written.elbo_summary(2).read_text())
    assert summary["bpd"]["per_video"] == [3.0, 4.0]
    assert (summary["bpd"]["mean"], summary["bpd"]["standard_error_videos"]) == (3.5, 0.5)
    assert summary["terms"]["total_bpd"] == {"mean": 14.0, "standard_error_videos": 2.0}
    assert summary["terms"]["mse"]["mean"] == 30.0
    assert (summary["videos"], summary["stages"], summary["frames"]) == (2, 2, 4)
    assert summary["observed_frames"] == "as planned"
    assert summary["protocol"] == {
        "videos": 2,
        "diffusion_steps": 3,
        "variance": "large",
        "draws_per_step": 1,
        "precision": "float32",
    }
    assert summary["files"]["elbos/elbo_0001.npy"] == sha256_file(written.elbo(1))
    summarise_elbos(written, 1)
    assert json.loads(written.elbo_summary(1).read_text())["bpd"]["standard_error_videos"] is None


def test_the_summary_refuses_what_does_not_belong_together(written):
    with pytest.raises(InputError, match=r"elbo_0002\.npy: cannot be read"):
        summarise_elbos(written, 3)
    save_npy(written.elbo(1), stages_of(1.0, latent=3))
    with pytest.raises(InputError, match=r"elbo_0001\.npy has other stages than .*elbo_0000\.npy"):
        summarise_elbos(written, 2)
    save_npy(written.elbo(0), np.zeros(3))
    with pytest.raises(InputError, match=r"elbo_0000\.npy: not an ELBO"):
        summarise_elbos(written, 1)


def test_the_summary_needs_the_fingerprint(written):
    (written.directory / "fingerprint.json").unlink()
    with pytest.raises(InputError, match=r"fingerprint\.json: cannot be read"):
        summarise_elbos(written, 1)
