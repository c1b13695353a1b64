"""Sampling end to end with a tiny network: files, reproducibility, and what bad input gets."""

import json
import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from seeded import TINY, save_checkpoint, seeded_model

from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.errors import InputError, OutputError
from viddiff.inference.modes import make_plan
from viddiff.inference.plan import Plan
from viddiff.inference.user_modes import register_modes
from viddiff.jobs.job import Job
from viddiff.jobs.sampling import sample_videos
from viddiff.tree.paths import Evaluation
from viddiff.tree.timing import read_timings, timing_files

STEM = "ema_0.9999_000100"
MODE = "autoreg_4_2_9_3"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder with a checkpoint and ten short test videos."""
    root = tmp_path_factory.mktemp("tree")
    write_bouncy_balls(root / "data", "test", 10, length=12)
    model = seeded_model(TINY)
    save_checkpoint(root / f"{STEM}.pt", model.state_dict(), TINY, 100)
    return root


@pytest.fixture
def sample(tree, tmp_path, monkeypatch):
    """A function that samples into an empty tree of results."""
    monkeypatch.chdir(tmp_path)

    def run(
        videos, number=0, *, folder=STEM + "_respace3", mode=MODE, path=None, batch_size=8, root=None, **more
    ):
        evaluation = Evaluation.named("run", folder, mode)
        made = sample_videos(
            Job(evaluation, lambda name, split: open_dataset(name, split, root or tree / "data")),
            path or tree / f"{STEM}.pt",
            videos,
            number,
            batch_size=batch_size,
            **more,
        )
        return evaluation, made

    return run


def load(path):
    return np.load(path, allow_pickle=False)


def test_samples_are_uint8_videos_that_begin_with_the_observed_frames_bit_for_bit(sample, tree):
    evaluation, made = sample([0, 3])
    assert made == [evaluation.sample(0, 0), evaluation.sample(3, 0)]
    truth = open_dataset("bouncy_balls", "test", tree / "data")
    for video, path in zip([0, 3], made, strict=True):
        frames = load(path)
        assert frames.dtype == np.uint8 and frames.shape == (9, 3, 32, 32)
        assert np.array_equal(frames[:3], truth.video(video, 3))
        assert not np.array_equal(frames[3:], truth.video(video, 9)[3:])


@pytest.mark.parametrize("folder", [f"{STEM}_respace3", f"{STEM}_ddim_respace3"])
def test_a_sample_is_the_same_bit_for_bit_in_any_batch_and_order(sample, tmp_path, monkeypatch, folder):
    reference = {}
    for name, order, size in [("a", range(4), 4), ("b", range(4), 1), ("c", [2, 3, 0, 1], 3)]:
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        evaluation, _ = sample(list(order), batch_size=size, folder=folder, mode="autoreg_4_2_7_3")
        for video in order:
            content = evaluation.sample(video, 0).read_bytes()
            assert content == reference.setdefault(video, content)


@pytest.mark.parametrize("strategy", ["adaptive-autoreg", "adaptive-l2-hierarchy-2"])
def test_an_adaptive_sample_tells_which_frames_were_chosen(sample, strategy, alexnet):
    evaluation, _ = sample([0, 1], mode=f"{strategy}_4_2_12_3", alexnet=alexnet)
    static = make_plan(evaluation.mode)
    for video in (0, 1):
        plan = Plan.from_json(evaluation.executed_plan(video, 0).read_text())
        plan.check(4)
        for stage, planned in zip(plan.stages, static.stages, strict=True):
            assert stage.latent == planned.latent and stage.n_select == 0
            assert stage.observed[: len(planned.observed)] == planned.observed
            assert len(stage.observed) == len(planned.observed) + planned.n_select


def test_selection_by_lpips_needs_its_weights(sample):
    with pytest.raises(InputError, match=r"nothing\.pt is missing: LPIPS needs the AlexNet weights"):
        sample([0], mode="adaptive-autoreg_4_2_12_3", alexnet=Path("nothing.pt"))


def test_sample_indices_and_samplers_differ(sample):
    videos = [load(sample([0], number)[1][0]) for number in (0, 1)]
    videos.append(load(sample([0], folder=f"{STEM}_ddim_respace3")[1][0]))
    videos.append(load(sample([0], folder=f"{STEM}_respace4")[1][0]))
    assert all(not np.array_equal(a, b) for i, a in enumerate(videos) for b in videos[:i])


def test_files_that_exist_stay_and_only_missing_ones_are_made(sample):
    evaluation, made = sample([0, 1])
    np.save(made[0], np.zeros((1, 3, 2, 2), np.uint8))
    mine = made[0].read_bytes()
    assert sample([0, 1]) == (evaluation, [])
    made[1].unlink()
    assert sample([0, 1, 2]) == (evaluation, [evaluation.sample(1, 0), evaluation.sample(2, 0)])
    assert made[0].read_bytes() == mine


@pytest.mark.parametrize("damage", [b"", b"mine", "truncated"])
def test_a_damaged_file_is_made_again(sample, damage):
    _, made = sample([0, 1])
    whole = [path.read_bytes() for path in made]
    made[1].write_bytes(whole[1][:-1] if damage == "truncated" else damage)
    assert sample([0, 1])[1] == [made[1]]
    assert [path.read_bytes() for path in made] == whole


def test_each_job_leaves_its_time(sample):
    evaluation, made = sample([0, 1, 3], batch_size=2, mode="autoreg_4_2_7_3")
    first = read_timings(timing_files(evaluation))
    assert [path.name[:14] for path in first] == ["samples_0000-0"]
    (timing,) = first.values()
    assert timing.window_evaluations == 3 * 2 * 3  # videos, stages, diffusion steps
    assert (timing.max_frames, timing.image_size, timing.device[:3]) == (4, 32, "cpu")
    assert 0 < timing.seconds < 100
    made[0].unlink()
    sample([0, 1, 3], mode="autoreg_4_2_7_3")
    sample([0, 1, 3], mode="autoreg_4_2_7_3")  # makes nothing
    both = read_timings(timing_files(evaluation))
    assert len(both) == 2 and both.items() >= first.items()


def test_a_changed_checkpoint_is_refused_with_both_hashes(sample, tree, tmp_path):
    sample([0])
    other = tmp_path / f"{STEM}.pt"
    save_checkpoint(other, seeded_model(TINY, seed=1).state_dict(), TINY, 100)
    with pytest.raises(InputError, match=r"checkpoint_sha256 was '[0-9a-f]{64}', is now '[0-9a-f]{64}'"):
        sample([1], path=other)
    assert sample([0], path=other)[1] == []  # nothing to make, nothing to refuse


SHORT = "autoreg_4_2_5_3"  # one stage
GUIDED = f"gradientmethod_{SHORT}"


def test_guided_samples_begin_with_the_observed_frames_and_depend_on_the_weight(
    sample, tree, tmp_path, monkeypatch
):
    truth = open_dataset("bouncy_balls", "test", tree / "data").video(0, 3)
    made = {}
    for weight in (0.0, 1.0):
        (tmp_path / str(weight)).mkdir()
        monkeypatch.chdir(tmp_path / str(weight))
        evaluation, (path,) = sample([0], mode=GUIDED, guidance_weight=weight)
        made[weight] = load(path)
        assert np.array_equal(made[weight][:3], truth)
        assert (
            json.loads((evaluation.directory / "fingerprint.json").read_text())["guidance_weight"] == weight
        )
    assert not np.array_equal(made[0.0], made[1.0])


def test_another_guidance_weight_is_refused_where_it_matters(sample):
    sample([0], mode=GUIDED)
    assert sample([1], mode=GUIDED, guidance_weight=1)[1]
    with pytest.raises(InputError, match=r"guidance_weight was 1\.0, is now 2\.0"):
        sample([2], mode=GUIDED, guidance_weight=2)
    with pytest.raises(InputError, match=r"guidance_shifts was None, is now 'mean'"):
        sample([2], mode=GUIDED, guidance_shifts="mean")
    evaluation, _ = sample([0], mode=SHORT, guidance_weight=1)
    assert sample([1], mode=SHORT, guidance_weight=2)[1]
    assert "guidance_weight" not in json.loads((evaluation.directory / "fingerprint.json").read_text())


def test_guidance_by_history_is_of_the_mode_alone(sample, tree, tmp_path, monkeypatch):
    """And so are noise on observed frames and resampling. Whatever the batch."""
    treatment = "history-2-noisy-0.1-resample-1x2"
    mode = f"{treatment}-independent_4_2_5_1"
    evaluation, many = sample([0, 1], batch_size=2, mode=mode)
    facts = json.loads((evaluation.directory / "fingerprint.json").read_text())
    assert facts["mode"]["strategy"] == f"{treatment}-independent"
    (timing,) = read_timings(timing_files(evaluation)).values()
    assert timing.window_evaluations == 2 * 2 * 2 * (3 + 2)  # videos, stages, passes, diffusion steps
    (tmp_path / "alone").mkdir()
    monkeypatch.chdir(tmp_path / "alone")
    _, (alone,) = sample([1], mode=mode)
    assert np.array_equal(load(alone), load(many[1]))
    with pytest.raises(
        InputError, match=r"mode 'resample-1x3-.*goes 3 noise levels up, must be less than the 3"
    ):
        sample([0], mode="resample-1x3-independent_4_2_5_1")


@pytest.fixture
def define():
    """A function that defines the user's mode `own`."""
    yield lambda definition: register_modes({"own": definition})
    register_modes({})


def test_a_users_mode_that_means_another_plan_or_strategy_is_refused(sample, define):
    define({"pattern": {"latent": [0, 1], "observed": [-1], "step": 2}})
    sample([0], mode="own_4_2_5_3")
    define({"pattern": {"latent": [0, 1], "observed": [-2], "step": 2}})
    with pytest.raises(
        InputError, match=r"something else: plan_sha256 was '[0-9a-f]{64}', is now '[0-9a-f]{64}'\."
    ):
        sample([1], mode="own_4_2_5_3")
    define({"strategy": "autoreg"})
    sample([0], mode="own_4_2_6_4")
    define({"strategy": "independent"})  # where one stage is enough, its plan is the same
    with pytest.raises(InputError, match=r"mode was .*'autoreg'.*, is now .*'independent'"):
        sample([1], mode="own_4_2_6_4")


def test_windows_longer_than_trained_are_allowed_and_warned_of_once(sample, caplog):
    with caplog.at_level(logging.WARNING):
        sample([0, 1, 2], mode="autoreg_6_3_9_3", batch_size=1)
    assert [record.getMessage() for record in caplog.records] == [
        "windows of 6 frames: the model was trained with 4"
    ]


def _truncated(path):
    path.write_bytes(path.read_bytes()[:1000])


def _not_a_checkpoint(path):
    path.write_bytes(b"hello")


def _wrong_keys(path):
    content = torch.load(path, weights_only=True)
    del content["state_dict"]["out.2.bias"]
    torch.save(content, path)


def _other_config(path):
    content = torch.load(path, weights_only=True)
    content["config"]["num_channels"] = 64
    torch.save(content, path)


@pytest.mark.parametrize("damage", [_truncated, _not_a_checkpoint, _wrong_keys, _other_config])
def test_a_broken_checkpoint_ends_in_one_line_that_names_it(sample, tree, tmp_path, damage):
    path = tmp_path / f"{STEM}.pt"
    path.write_bytes((tree / f"{STEM}.pt").read_bytes())
    damage(path)
    with pytest.raises(InputError) as error:
        sample([0], path=path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"path": Path("nothing.pt")}, "nothing.pt"),
        (
            {"mode": "autoreg_16_2_20_13"},
            "13 true frames are needed, but video 0 of dataset bouncy_balls has 12 frames",
        ),
        ({"videos": [10]}, "video 10 of dataset bouncy_balls.*0 to 9"),
        ({"mode": "autoreg_4_2_9_9"}, "obs_length is 9"),
        ({"mode": "autoreg_4_5_9_3"}, "step_size is 5"),
        ({"mode": "autogre_4_2_9_3"}, "autoreg"),
        ({"mode": "minerl_autoreg_4_2_9_3"}, "minerl"),
        (
            {"folder": "ema_0.9999_latest_7"},
            "holds step 100, the path asks for step 7.*ema_0.9999_latest_100",
        ),
        ({"folder": f"{STEM}_respace41"}, "41"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(sample, arguments, message, tmp_path):
    with pytest.raises(InputError) as error:
        sample(**{"videos": [0], **arguments})
    assert re.search(message, str(error.value)) and "\n" not in str(error.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("obs_length", [3, 0])
def test_videos_may_be_longer_than_the_data(sample, tree, tmp_path, obs_length):
    """The sample is that of data which are as long, or of none of whose frames is known."""
    write_bouncy_balls(tmp_path / "long", "test", 1, length=15)
    mode = f"autoreg_4_2_15_{obs_length}"
    evaluation, (path,) = sample([0], mode=mode)
    made = load(path)
    shutil.rmtree(evaluation.directory)
    _, (again,) = sample([0], mode=mode, root=tmp_path / "long")
    assert made.shape == (15, 3, 32, 32) and np.array_equal(made, load(again))


def test_results_that_cannot_be_written_name_the_path(sample, tmp_path):
    (tmp_path / "results").write_text("a file where a folder must be")
    with pytest.raises(OutputError, match="results/run"):
        sample([0])


def test_a_full_disk_loses_nothing_and_names_the_file(sample, full_disk):
    _, made = sample([0])
    before = made[0].read_bytes()
    with full_disk(), pytest.raises(OutputError, match=r"cannot write .*sample_0001-0/stage_0000\.npy: "):
        sample([0, 1])
    assert made[0].read_bytes() == before
    assert [path.name for path in made[0].parent.glob("[!.]*")] == [made[0].name]
    sample([0, 1])
    assert sorted(path.name for path in made[0].parent.rglob("*.npy")) == [
        "sample_0000-0.npy",
        "sample_0001-0.npy",
    ]
