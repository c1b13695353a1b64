"""The search with a network: what it measures, that it can be interrupted, and the files of schedules."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from seeded import TINY, save_checkpoint, seeded_model

from viddiff.call_size import CallSize
from viddiff.data import open_dataset
from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.diffusion.denoiser import Estimate
from viddiff.diffusion.noise_schedule import Level
from viddiff.diffusion.process import diffusion_of
from viddiff.errors import InputError
from viddiff.files.write import write_json
from viddiff.flat_config import with_defaults
from viddiff.inference.modes import parse_mode
from viddiff.inference.search import Choice, StageSearch, choose
from viddiff.jobs.job import Job
from viddiff.jobs.sampling import sample_videos
from viddiff.jobs.search import (
    Example,
    draw_example,
    evenly_spaced,
    measured_errors,
    noise_errors,
    search_stage,
)
from viddiff.tree.paths import Evaluation
from viddiff.tree.schedules import (
    SearchSettings,
    merge_schedule,
    plan_in,
    progress_file,
    read_choices,
    searches_of,
    stage_file,
)
from viddiff.video import to_model

STEM = "ema_0.9999_000100"
EVALUATION = Evaluation.named("run", f"{STEM}_respace2", "autoreg_optimal-linspace-t_4_1_6_4")
SETTINGS = SearchSettings(diffusion_steps=2, videos=2)
LEVEL = Level(0.8, 0.6, 500.0)


def examples(count, length, latent, seed=0):
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    return [
        Example(
            torch.from_numpy(rng.integers(0, 256, (length, 3, 4, 4), dtype=np.uint8)),
            torch.randn(latent, 3, 4, 4, generator=generator),
        )
        for _ in range(count)
    ]


def mean_of_observed(window):
    """Every frame is estimated by the mean of the observed ones."""
    weights = (window.observed / window.observed.sum(dim=1, keepdim=True))[:, :, None, None, None]
    estimate = (window.frames * weights).sum(dim=1, keepdim=True).expand_as(window.frames)
    return lambda x_t, level: Estimate(estimate, x_t.new_zeros(()))


def test_the_error_is_that_of_the_noise_over_latent_frames():
    sets, latent, drawn = [(0, 3), (5, 1)], (2, 4, 6), examples(3, 7, 3)
    errors = noise_errors(sets, latent, drawn, LEVEL, mean_of_observed, batch_size=4)
    for i, observed in enumerate(sets):
        for j, example in enumerate(drawn):
            x_0 = to_model(example.frames).double()
            made, estimate = x_0[list(latent)], x_0[list(observed)].mean(dim=0)
            eps = (LEVEL.alpha * made + LEVEL.sigma * example.noise - LEVEL.alpha * estimate) / LEVEL.sigma
            expected = ((eps - example.noise) ** 2).mean()
            assert errors[i, j] == pytest.approx(float(expected), rel=1e-5)


def test_latent_frames_are_noisy_and_observed_ones_clean_and_marked():
    drawn = examples(2, 7, 1)

    def estimate_of(window):
        assert window.frame_index.tolist() == [[3, 1, 6], [3, 1, 6]]
        assert window.observed.tolist() == [[True, True, False]] * 2 == (~window.latent).tolist()
        return lambda x_t, level: Estimate(x_t / level.alpha, x_t.new_zeros(()))

    errors = noise_errors([(3, 1)], (6,), drawn, LEVEL, estimate_of, batch_size=8)
    # x_t / alpha as the estimate leaves the noise itself as the error.
    expected = [float(example.noise.square().mean()) for example in drawn]
    assert errors[0].tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_change_nothing(batch_size):
    sets, drawn = [(0, 3), (1, 3), (5, 3)], examples(5, 7, 2)
    errors = noise_errors(sets, (2, 4), drawn, LEVEL, mean_of_observed, batch_size=batch_size)
    whole = noise_errors(sets, (2, 4), drawn, LEVEL, mean_of_observed, batch_size=15)
    torch.testing.assert_close(errors, whole, rtol=1e-6, atol=0)


def test_the_frames_that_tell_are_found_and_all_candidates_see_the_same():
    # The latent frame is the mean of frames 2 and 5.
    asked = []

    def draw(count, number):
        asked.append((count, number))
        (example,) = examples(1, 7, 1, seed=10 * count + number)
        frames = example.frames.clone()
        frames[6] = ((frames[2].int() + frames[5].int()) // 2).to(torch.uint8)
        return Example(frames, example.noise)

    search = StageSearch(0, (6,), tuple(range(6)), (), 2)
    levels = [LEVEL, Level(0.6, 0.8, 700.0)]
    found = list(
        choose(search, measured_errors(search, draw, mean_of_observed, levels, 4, calls=CallSize(4)))
    )
    assert sorted(choice.frame for choice in found) == [2, 5]
    assert found[1].error < 1e-4 < found[0].error
    assert asked == [(count, number) for count in (0, 1) for number in (0, 2, 1, 3)]


def test_an_error_that_is_not_a_number_is_refused():
    search = StageSearch(4, (6,), tuple(range(6)), (), 2)

    def broken(window):
        return lambda x_t, level: Estimate(x_t * torch.nan, x_t.new_zeros(()))

    errors = measured_errors(search, lambda *_: examples(1, 7, 1)[0], broken, [LEVEL], 1, calls=CallSize(4))
    with pytest.raises(InputError, match="stage 4: the network's prediction is not a number"):
        errors(0, [(0,)])


def test_diffusion_steps_are_evenly_spaced_from_the_noisiest():
    diffusion = diffusion_of(with_defaults({}))
    assert [level.t for level in evenly_spaced(diffusion, 10)] == list(range(999, 0, -100))
    assert [level.t for level in evenly_spaced(diffusion, 3)] == [999, 666, 333]
    with pytest.raises(InputError, match=r"optimal\.diffusion_steps is 1001, the checkpoint has 1000"):
        evenly_spaced(diffusion, 1001)


def test_videos_are_a_multiple_of_diffusion_steps():
    with pytest.raises(InputError, match=r"optimal\.videos is 15, must be a multiple of .*, 10"):
        SearchSettings(10, 15)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder with a checkpoint, five training videos and two test videos."""
    root = tmp_path_factory.mktemp("tree")
    write_bouncy_balls(root / "data", "train", 5, length=12)
    write_bouncy_balls(root / "data", "test", 2, length=12)
    save_checkpoint(root / f"{STEM}.pt", seeded_model(TINY).state_dict(), TINY, 100)
    return root


def test_draws_are_reproducible_and_take_new_videos_for_each_choice(tree):
    dataset = open_dataset("bouncy_balls", "train", tree / "data")
    search = StageSearch(2, (6, 7), (0,), (), 1)

    def draw(count, number, videos=(0, 1, 2, 3, 4), search=search):
        return draw_example(dataset, videos, 12, search, count, number)

    def video_of(example):
        return next(v for v in range(5) if np.array_equal(dataset.video(v), example.frames))

    assert torch.equal(draw(1, 3).noise, draw(1, 3).noise)
    assert draw(1, 3).noise.shape == (2, 3, 32, 32)
    orders = [[video_of(draw(count, number)) for number in range(10)] for count in range(4)]
    for order in orders:
        assert sorted(order[:5]) == sorted(order[5:]) == list(range(5))
    assert len({tuple(order) for order in orders}) > 1
    others = [draw(1, 4), draw(2, 3), draw(1, 3, search=replace(search, stage=3))]
    assert not any(torch.equal(draw(1, 3).noise, other.noise) for other in others)
    assert {video_of(draw(count, 0, videos=[1, 4])) for count in range(9)} == {1, 4}


class Stop(Exception):
    pass


@pytest.fixture
def told():
    """The progress of the last search."""
    return []


@pytest.fixture
def search(tree, tmp_path, monkeypatch, told):
    """A function that searches in an empty tree of results."""
    monkeypatch.chdir(tmp_path)

    def run(stage, *, path=None, settings=SETTINGS, batch_size=64, stop_after=None, evaluation=EVALUATION):
        def progress(chosen, count):
            told.append(chosen)
            if chosen == stop_after:
                raise Stop

        told.clear()

        job = Job(evaluation, lambda name, split: open_dataset(name, split, tree / "data"), progress=progress)
        search_stage(job, path or tree / f"{STEM}.pt", stage, settings, batch_size=batch_size)
        return stage_file(evaluation, stage)

    return run


@pytest.mark.long
def test_an_interrupted_search_ends_as_if_it_had_not_been(search, told, tmp_path, monkeypatch):
    whole = search(0).read_bytes()
    entry = json.loads(whole)
    assert entry["stage"] == 0 and len(set(entry["observed"])) == 3 == len(entry["errors"])
    for size in (1, 3):  # batches change the errors by rounding alone
        (tmp_path / str(size)).mkdir()
        monkeypatch.chdir(tmp_path / str(size))
        assert json.loads(search(0, batch_size=size).read_bytes()) == entry | {
            "errors": pytest.approx(entry["errors"], rel=1e-4)
        }
    (tmp_path / "parts").mkdir()
    monkeypatch.chdir(tmp_path / "parts")
    for done in (1, 2, 3):
        with pytest.raises(Stop):
            search(0, stop_after=done)
        assert told == [done]  # what was chosen before is not searched again
        assert not stage_file(EVALUATION, 0).exists()
        assert json.loads(progress_file(EVALUATION, 0).read_text())["observed"] == entry["observed"][:done]
    assert search(0).read_bytes() == whole
    assert [path.name for path in sorted(stage_file(EVALUATION, 0).parent.iterdir())] == [
        "fingerprint.json",
        "stage_0.json",
    ]


def test_other_settings_or_another_checkpoint_are_refused(search, tree, tmp_path):
    with pytest.raises(Stop):
        search(0, stop_after=1)
    with pytest.raises(InputError, match="videos was 2, is now 4"):
        search(1, settings=SearchSettings(2, 4))
    other = tmp_path / f"{STEM}.pt"
    save_checkpoint(other, seeded_model(TINY, seed=1).state_dict(), TINY, 100)
    with pytest.raises(InputError, match="checkpoint_sha256 was"):
        search(0, path=other)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"stage": 1, "observed": [0], "errors": [1.0]}',
        '{"stage": 0, "observed": [4], "errors": [1.0]}',
        '{"stage": 0, "observed": [0, 0], "errors": [1.0, 1.0]}',
        '{"stage": 0, "observed": [0], "errors": []}',
        '{"stage": 0, "observed": ["0"], "errors": [1.0]}',
    ],
)
def test_a_damaged_record_is_refused(content, tmp_path):
    path = tmp_path / "stage_0.part.json"
    path.write_text(content)
    with pytest.raises(InputError, match="remove it to search stage 0 anew") as error:
        read_choices(path, searches_of(EVALUATION)[0])
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("mode", "stage", "message"),
    [
        ("autoreg_4_1_6_4", 0, "is not optimal"),
        ("autoreg_optimal_4_1_6_4", 2, "stage 2 has nothing to search; stages that have: 0, 1"),
        ("autoreg_optimal_4_1_6_0", 0, "stage 0 has nothing to search; stages that have: 1, 2"),
        ("autoreg_optimal-best_4_1_6_4", 0, "optimal-best cannot be searched"),
        ("really-independent_optimal_4_1_6_4", 0, "no stage observes a frame"),
        ("autoreg_optimal_4_1_13_4", 0, "T is 13, but no training video of bouncy_balls has"),
    ],
)
def test_what_cannot_be_searched_is_refused(search, mode, stage, message):
    with pytest.raises(InputError, match=message):
        search(stage, evaluation=replace(EVALUATION, mode=parse_mode(mode)))


def put(name, content):
    """Lay a schedule into the evaluation directory."""
    EVALUATION.directory.mkdir(parents=True, exist_ok=True)
    path = EVALUATION.directory / name
    write_json(path, content) if name.endswith(".json") else torch.save(content, path)
    return path


def observed_in_plan():
    return [stage.observed for stage in plan_in(EVALUATION).stages]


def test_schedules_of_both_programs_are_read_ours_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no optimal schedule results/run/.*/optimal_schedule\.json"):
        observed_in_plan()
    put("optimal_schedule.pt", {0: [0, 2, 3], 1: [1, 3, 4]})
    assert observed_in_plan() == [(0, 2, 3), (1, 3, 4)]
    entries = [{"stage": 0, "observed": [3, 2, 1]}, {"stage": 1, "observed": [4, 0]}]
    put("optimal_schedule.json", {"stages": entries})
    assert observed_in_plan() == [(3, 2, 1), (4, 0)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "optimal_schedule.json",
            {"stages": [{"stage": 0, "observed": [3]}]},
            "no observed frames for stage 1",
        ),
        ("optimal_schedule.pt", {0: [3]}, "no observed frames for stage 1"),
        ("optimal_schedule.pt", {0: [5], 1: [3]}, "stage 0 observes frame 5, neither given"),
        ("optimal_schedule.pt", {0: [3], 1: ["3"]}, "not an optimal schedule"),
        ("optimal_schedule.pt", {0: [3], 1: {Choice}}, "can run code"),
        ("optimal_schedule.pt", [[3], [3]], "not an optimal schedule"),
        ("optimal_schedule.json", {"stages": [{"stage": 0, "observed": [3]}] * 2}, "a stage comes twice"),
        ("optimal_schedule.json", {}, "not an optimal schedule"),
    ],
)
def test_a_schedule_that_lacks_a_stage_or_does_not_fit_is_refused(
    tmp_path, monkeypatch, name, content, message
):
    monkeypatch.chdir(tmp_path)
    path = put(name, content)
    with pytest.raises(InputError, match=message) as error:
        plan_in(EVALUATION)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_stages_are_merged_when_all_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put("optimal/fingerprint.json", {"videos": 2})
    put("optimal/stage_0.json", {"stage": 0, "observed": [3, 0, 1], "errors": [3.0, 2.5, 2.0]})
    with pytest.raises(InputError, match=r"stage_1\.json"):
        merge_schedule(EVALUATION)
    put("optimal/stage_1.json", {"stage": 1, "observed": [4, 0], "errors": [3.0, 2.0]})
    with pytest.raises(InputError, match=r"stage_1\.json: 2 frames are chosen, must be 3"):
        merge_schedule(EVALUATION)
    put("optimal/stage_1.json", {"stage": 1, "observed": [4, 0, 2], "errors": [3.0, 2.0, 1.0]})
    merge_schedule(EVALUATION)
    assert observed_in_plan() == [(3, 0, 1), (4, 0, 2)]
    content = json.loads((EVALUATION.directory / "optimal_schedule.json").read_text())
    assert content["protocol"] == {"videos": 2}
    assert content["stages"][1]["errors"] == [3.0, 2.0, 1.0]


def test_samples_of_another_schedule_are_refused(tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def sample(video):
        sample_videos(
            Job(EVALUATION, lambda name, split: open_dataset(name, split, tree / "data")),
            tree / f"{STEM}.pt",
            [video],
            0,
            batch_size=2,
        )

    put("optimal_schedule.pt", {0: [0, 2, 3], 1: [1, 3, 4]})
    sample(0)
    put("optimal_schedule.pt", {0: [0, 2, 3], 1: [1, 2, 4]})
    with pytest.raises(InputError, match="plan_sha256 was"):
        sample(1)
