"""Two checkpoints in one video, with tiny networks: whose stages are whose, resumption, records, ELBOs, misuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from seeded import TINY, save_checkpoint, seeded_model

import viddiff
from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.errors import InputError
from viddiff.files.write import sha256_file
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.inference.user_modes import register_modes
from viddiff.jobs.elbos import measure_elbos
from viddiff.jobs.job import Job
from viddiff.jobs.sampling import sample_videos
from viddiff.tree.paths import Evaluation

MODE = "two_4_2_9_3"  # a hierarchy of two levels
DEFINITION = {"strategy": "hierarchy-2"}
SECOND = {"run": "gaps", "checkpoint": "model_000200"}
FOLDER = "model_000100_ddim-eta0.5_respace2"


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two checkpoints of different weights and noise levels, and two short test videos."""
    root = tmp_path_factory.mktemp("tree")
    write_bouncy_balls(root / "data", "test", 2, length=12)
    other = TINY | {"diffusion_steps": 50, "noise_schedule": "cosine", "observed_noise": 0.5}
    for step, config in ((100, TINY), (200, other)):
        save_checkpoint(root / f"model_{step:06d}.pt", seeded_model(config, step).state_dict(), config, step)
    return root


@pytest.fixture(autouse=True)
def mode():
    """The mode with its second checkpoint, until a test registers it anew."""
    register_modes({"two": DEFINITION | {"second": SECOND}})
    yield
    register_modes({})


@pytest.fixture
def models(tree):
    return [load(tree, step) for step in (100, 200)]


def load(tree, step, **more):
    settings = {"sampler": "ddim-eta0.5", "respacing": "2", "device": "cpu"} | more
    return viddiff.VideoModel.load(tree / f"model_{step:06d}.pt", **settings)


def truth(tree):
    dataset = open_dataset("bouncy_balls", "test", tree / "data")
    return np.stack([dataset.video(index, 12) for index in (0, 1)])


@pytest.fixture
def run(tree, tmp_path, monkeypatch):
    """Sample, or measure ELBOs, in a folder; `kill_after` stages, the process dies."""

    def work(
        place, make=sample_videos, *, mode=MODE, folder=FOLDER, second=200, kill_after=None, videos=(0, 1)
    ):
        (tmp_path / place).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / place)
        evaluation = Evaluation.named("run", folder, mode)

        def progress(done, total):
            if done == kill_after:
                raise Killed

        job = Job(evaluation, lambda name, split: open_dataset(name, split, tree / "data"), progress=progress)
        numbers = (0,) if make is sample_videos else ()
        file = second and tree / f"model_{second:06d}.pt"
        make(job, tree / f"{folder[:12]}.pt", list(videos), *numbers, second=file, batch_size=3)
        return evaluation

    return work


def test_samples_are_those_of_one_checkpoint_if_both_are_the_same(tree, models):
    first, second = models
    both = first.complete(truth(tree), MODE, second=first)
    mixed = first.complete(truth(tree), MODE, second=second)
    register_modes({"two": DEFINITION})
    assert np.array_equal(both, first.complete(truth(tree), MODE))
    assert not np.array_equal(both, mixed)


def test_each_stage_is_what_its_model_makes_of_the_same_frames(tree, models):
    first, second = models
    mixed = first.complete(truth(tree), MODE, second=second)
    plan = make_plan(parse_mode(MODE))
    of_first = [frame for stage in plan.stages if not stage.second for frame in stage.latent]
    finished = {}

    def remember(row, number, made):
        finished[row, number] = made

    completion = first.completion(MODE, second=second)
    videos = completion.check_videos(truth(tree))
    completion.run(videos, (0, 1), 0, keep=remember)
    register_modes({"two": DEFINITION})
    alone = first.complete(truth(tree), MODE)
    assert np.array_equal(mixed[:, of_first], alone[:, of_first])
    given = {key: made for key, made in finished.items() if not plan.stages[key[1]].second}
    rest = second.completion(MODE).run(videos, (0, 1), 0, finished=given).frames
    assert np.array_equal(mixed, rest)
    assert not np.array_equal(alone, rest)


def test_the_job_makes_the_librarys_videos_tells_both_checkpoints_and_goes_on(run, tree, models):
    evaluation = run("whole")
    samples = [np.load(evaluation.sample(video, 0)) for video in (0, 1)]
    assert np.array_equal(samples, models[0].complete(truth(tree), MODE, second=models[1]))
    fingerprint = json.loads((evaluation.directory / "fingerprint.json").read_text())
    steps = fingerprint["second"].pop("diffusion_steps")
    assert fingerprint["second"] == {
        "checkpoint_sha256": sha256_file(tree / "model_000200.pt"),
        "variance": models[1].diffusion.variance,
    }
    assert len(steps) == 2 and steps[-1] == 49 and fingerprint["diffusion_steps"][-1] == 39
    (record,) = (evaluation.directory / "provenance").glob("*.json")
    assert json.loads(record.read_text())["second_checkpoint"] == str(tree / "model_000200.pt")

    whole = evaluation.directory.absolute()
    with pytest.raises(Killed):
        run("killed", kill_after=3)
    resumed = run("killed")
    for video in (0, 1):
        assert (
            resumed.sample(video, 0).read_bytes()
            == (whole / "samples" / resumed.sample(video, 0).name).read_bytes()
        )


def test_samples_of_another_second_checkpoint_never_join_the_first(run):
    run("mixed", videos=(0,))
    with pytest.raises(InputError, match=r"holds results of something else: second was .* is now") as error:
        run("mixed", second=100)
    assert "\n" not in str(error.value)
    register_modes({"two": DEFINITION})
    with pytest.raises(InputError, match="plan_sha256 was"):
        run("mixed", second=None)


def test_an_elbo_has_the_bits_of_each_stage_by_its_model(run):
    evaluation = run("two", measure_elbos, videos=(1,))
    rows = np.load(evaluation.elbo(1))
    seconds = np.array([stage.second for stage in make_plan(parse_mode(MODE)).stages])
    assert 0 < seconds.sum() < len(seconds)
    register_modes({"two": DEFINITION})
    alone = [
        np.load(
            run(place, measure_elbos, folder=FOLDER.replace("100", step), second=None, videos=(1,)).elbo(1)
        )
        for place, step in (("first", "100"), ("second", "200"))
    ]
    assert np.array_equal(rows[~seconds], alone[0][~seconds])
    assert np.array_equal(rows[seconds], alone[1][seconds])
    assert not np.array_equal(alone[0][seconds], alone[1][seconds])


def test_each_model_is_told_of_noise_on_observed_frames_as_it_was_trained(models):
    completion = models[0].completion(f"noisy-0.25-{MODE}", second=models[1])
    assert completion.second.conditioning.tells_noise and not completion.conditioning.tells_noise
    assert completion.second.model is models[1] and completion.second.plan == completion.plan


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"respacing": "3"}, "it has 3 diffusion steps, the first checkpoint 2"),
        ({"respacing": "ddim2"}, "respacing is 'ddim2', must be '2' as that of the first"),
        ({"sampler": "ddim"}, "sampler is 'ddim', must be 'ddim-eta0.5'"),
        ({"precision": "bfloat16"}, "precision is 'bfloat16', must be 'float32'"),
    ],
)
def test_models_that_are_used_differently_make_no_video(tree, models, settings, message):
    with pytest.raises(InputError) as error:
        models[0].complete(truth(tree), MODE, second=load(tree, 200, **settings))
    assert str(error.value).startswith(f"mode '{MODE}': second checkpoint {tree}/model_000200.pt: {message}")


def test_a_second_model_is_there_if_the_mode_needs_it_and_only_then(tree, models):
    with pytest.raises(InputError, match="so its model must be given: gaps/model_000200"):
        models[0].complete(truth(tree), MODE)
    with pytest.raises(
        InputError, match=r"has no second checkpoint, so .*model_000200\.pt must not be given"
    ):
        models[0].complete(truth(tree), "autoreg_4_2_12_3", second=models[1])


def test_windows_that_the_second_model_never_saw_are_told(tree, models, caplog):
    register_modes({"two": {"strategy": "hierarchy-2", "second": SECOND}})
    with caplog.at_level("WARNING"):
        models[0].completion("two_6_2_12_3", second=models[1])
    assert caplog.messages == [
        f"windows of 6 frames: {name} was trained with 4" for name in ("the model", "the second model")
    ]
