"""Jobs that end half-way: what is kept, what goes on from it, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from seeded import TINY, save_checkpoint, seeded_model

import viddiff.inference.complete as engine
from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.errors import InputError
from viddiff.jobs.elbos import measure_elbos
from viddiff.jobs.job import Job
from viddiff.jobs.sampling import sample_videos
from viddiff.tree.paths import Evaluation

STEM = "ema_0.9999_000100"
FOLDER = f"{STEM}_respace2"
MODES = [
    "autoreg_4_2_11_3",
    "hierarchy-2_4_2_12_3",
    "adaptive-l2-autoreg_4_2_11_3",
    "gibbs-1-autoreg_4_2_8_2",
    "rolling-2_4_1_6_2",
]


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for seed in (0, 1):
        write_bouncy_balls(root / f"data{seed}", "test", 4, length=12, seed=seed)
        save_checkpoint(root / f"{STEM}_{seed}.pt", seeded_model(TINY, seed).state_dict(), TINY, 100)
    return root


@pytest.fixture
def run(tree, tmp_path, monkeypatch):
    """Sample (or measure ELBOs) in a folder; `kill_after` stages, the process dies."""

    def work(place, mode, videos, *, kill_after=None, elbo=False, checkpoint=0, data=0, **more):
        (tmp_path / place).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / place)
        evaluation, stages = Evaluation.named("run", FOLDER, mode), []

        def progress(done, total):
            stages.append(done)
            if len(stages) == kill_after:
                raise Killed

        job = Job(
            evaluation, lambda name, split: open_dataset(name, split, tree / f"data{data}"), progress=progress
        )
        arguments = [job, tree / f"{STEM}_{checkpoint}.pt", videos]
        make = measure_elbos if elbo else sample_videos
        arguments += [] if elbo else [0]
        if kill_after:
            with pytest.raises(Killed):
                make(*arguments, **{"batch_size": 8} | more)
        else:
            make(*arguments, **{"batch_size": 8} | more)
        return evaluation

    return work


def results(kind="samples"):
    return {path.name: path.read_bytes() for path in Path().rglob(f"{kind}/*") if path.is_file()}


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_job_goes_on_after_its_last_stage_and_makes_the_same_samples(run, mode, monkeypatch):
    run("whole", mode, [0, 1])
    whole = results()
    evaluation = run("killed", mode, [0, 1], kill_after=2)
    assert not results()
    kept = sorted(path.relative_to(evaluation.directory) for path in evaluation.directory.rglob("stage_*"))
    assert [path.name for path in kept] == ["stage_0000.npy", "stage_0001.npy"] * 2
    made = stages_made(monkeypatch)
    run("killed", mode, [0, 1])
    assert results() == whole
    assert made.isdisjoint({(video, stage) for video in (0, 1) for stage in (0, 1)})
    assert not any(evaluation.partial(video, 0).exists() for video in (0, 1))


def stages_made(monkeypatch) -> set[tuple[int, int]]:
    """The (video, stage) of which noise is drawn from now on."""
    made, original = set(), engine.stage_generator

    def stage_generator(identity, stage):
        made.add((identity.video, stage))
        return original(identity, stage)

    monkeypatch.setattr(engine, "stage_generator", stage_generator)
    return made


def test_going_on_needs_neither_the_same_batch_nor_the_same_videos(run):
    mode = MODES[0]
    run("whole", mode, [0, 1, 2, 3])
    whole = results()
    run("killed", mode, [1, 3], kill_after=3)
    run("killed", mode, [0, 1], kill_after=2)
    run("killed", mode, [3, 2, 1, 0], batch_size=3)
    assert results() == whole


def test_a_job_killed_between_two_samples_makes_the_second_without_new_stages(run, monkeypatch):
    run("whole", MODES[0], [0, 1])
    whole = results()
    evaluation = run("killed", MODES[0], [0, 1], kill_after=4)  # all stages
    run("killed", MODES[0], [0])
    made = stages_made(monkeypatch)
    run("killed", MODES[0], [1])
    assert results() == whole and not made and not evaluation.partial(1, 0).exists()


def test_a_sample_that_another_job_has_just_made_stays(run, monkeypatch):
    evaluation = run("killed", MODES[0], [0, 1], kill_after=4)  # all stages
    theirs = evaluation.sample(0, 0)
    real = engine.waves

    def waves(plan):
        theirs.parent.mkdir(exist_ok=True)
        np.save(theirs, np.zeros((11, 3, 32, 32), np.uint8))
        return real(plan)

    monkeypatch.setattr(engine, "waves", waves)
    run("killed", MODES[0], [0, 1])
    assert not np.load(theirs, allow_pickle=False).any() and evaluation.sample(1, 0).exists()


def test_a_killed_elbo_goes_on_after_its_last_stage(run):
    run("whole", MODES[0], [0, 1], elbo=True)
    whole = results("elbos")
    evaluation = run("killed", MODES[0], [0, 1], elbo=True, kill_after=6)
    assert list(results("elbos")) == ["elbo_0000.npy"]
    assert len(list(evaluation.partial_elbo(1).glob("stage_*"))) == 2
    run("killed", MODES[0], [0, 1], elbo=True)
    assert results("elbos") == whole and not evaluation.partial_elbo(1).exists()


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", "truncated"])
def test_a_damaged_stage_is_made_again_with_a_warning(run, damage, caplog):
    run("whole", MODES[0], [0])
    whole = results()
    evaluation = run("killed", MODES[0], [0], kill_after=2)
    stage = evaluation.partial(0, 0) / "stage_0001.npy"
    stage.write_bytes(stage.read_bytes()[:-100] if damage == "truncated" else damage)
    run("killed", MODES[0], [0])
    assert results() == whole
    assert "stage_0001.npy" in caplog.text and "stage 1 is made again" in caplog.text


@pytest.mark.parametrize(
    "change, field",
    [
        ({"checkpoint": 1}, "checkpoint_sha256"),
        ({"data": 1}, "first_frame_sha256"),
        ({}, "numerics was 1, is now 2"),
    ],
)
def test_stages_of_something_else_are_refused_and_stay(run, change, field, monkeypatch):
    """The evaluation directory is new, only the hidden stages are old."""
    evaluation = run("killed", MODES[0], [0], kill_after=2)
    (evaluation.directory / "fingerprint.json").unlink()
    before = {path: path.read_bytes() for path in evaluation.partial(0, 0).iterdir()}
    if not change:
        monkeypatch.setattr("viddiff.jobs.prepare.NUMERICS", 2)
    with pytest.raises(InputError, match=f"{field}.*or remove .*sample_0000-0") as error:
        run("killed", MODES[0], [0], **change)
    assert "\n" not in str(error.value) and not results()
    assert {path: path.read_bytes() for path in evaluation.partial(0, 0).iterdir()} == before


def test_stages_that_nothing_tells_the_origin_of_are_not_used(run):
    run("whole", MODES[0], [0], checkpoint=1)
    whole = results()
    evaluation = run("killed", MODES[0], [0], kill_after=2)
    shutil.move(evaluation.partial(0, 0) / "fingerprint.json", "away.json")
    (evaluation.directory / "fingerprint.json").unlink()
    run("killed", MODES[0], [0], checkpoint=1)
    assert results() == whole


def test_a_kept_stage_tells_what_it_observed_and_what_it_depends_on(run):
    evaluation = run("killed", MODES[2], [0], kill_after=3)
    stage = np.load(evaluation.partial(0, 0) / "stage_0002.npy", allow_pickle=False)
    assert stage.dtype.names == ("observed", "frames") and stage["frames"].shape == (2, 3, 32, 32)
    assert len(set(stage["observed"].tolist())) == 2
    facts = json.loads((evaluation.partial(0, 0) / "fingerprint.json").read_text())
    assert facts == json.loads((evaluation.directory / "fingerprint.json").read_text())
