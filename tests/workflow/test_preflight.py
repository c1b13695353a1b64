"""What is known to fail before the first job, and is refused while the workflow plans: without Snakemake."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from small_project import CONFIG, MODES

from viddiff.checkpoint import checkpoint_dict, encode
from viddiff.data.video_folder import VideoFolder
from viddiff.errors import InputError
from viddiff.files.write import write_bytes, write_json
from viddiff.inference.modes import make_plan, parse_mode
from viddiff.inference.user_modes import register_modes
from viddiff.jobs.dataset_check import check_with_record
from viddiff.tree.datasets import record_file
from viddiff.workflow.call import Call, plan_call
from viddiff.workflow.config import check_config, check_plain, load_schema, read_config
from viddiff.workflow.datasets import Datasets
from viddiff.workflow.preflight import unknown_datasets, used_datasets
from viddiff.workflow.targets import read_grid
from viddiff.workflow.training_preflight import check_settings, runs_to_train
from viddiff.workflow.trainings import trained_before

SCHEMA = load_schema(Path(__file__).parents[2] / "config" / "schema.yaml")
RUN = {"dataset": "own", "T": 12, "steps": 100, "image_size": 32}
OWN = {"kind": "video_folder", "path": "own", "image_size": 32}
NAME = "ema_0.9999_000100"
AT = f"results/new/{NAME}"


def configured(**changes):
    config = copy.deepcopy(
        CONFIG | {"training": {"new": RUN}, "datasets": {"own": OWN}, "grid": []} | changes
    )
    check_config(config, SCHEMA)
    return read_config(config)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A function from targets to the call of a project in a folder of its own, with three videos of each split."""
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        for name, frames in (("a", 12), ("b", 15), ("c", 20)):
            put(f"data/own/{split}/{name}.npy", frames)

    def call(*targets: str, **changes) -> Call:
        config = configured(**changes)
        return plan_call(["--cores", "2", *targets], config, read_grid(config.grid))

    return call


def put(path: str, frames: int, size: int = 32) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros((frames, size, size, 3), np.uint8))


def save(path: str, **config) -> None:
    """A checkpoint without weights."""
    write_bytes(path, encode(checkpoint_dict({}, config, 100)))


def check(split: str = "train", needed: int | None = None, **changes):
    config = configured(**changes)
    return check_with_record("own", split, config.data_root, config.datasets, needed)


def run(**changes):
    return {"training": {"new": RUN | changes}}


def own(**changes):
    return {"datasets": {"own": OWN | changes}}


def test_a_training_is_planned_with_a_check_of_its_data(plan):
    assert plan("train").checks == {"new": "results/.data/own/train_12.checked"}
    assert plan("train_new").checks == plan("train").checks
    assert plan(f"{AT}/{MODES[0]}/samples/sample_0000-0.npy").checks == plan("train").checks
    assert not plan("plans").checks and not plan("train", **run(dataset="bouncy_balls")).checks


def test_videos_are_decoded_before_a_training_that_wants_it(plan):
    file, wanted = "results/.data/own/train.decoded", run(decode_once=True)
    assert plan("train").decoded == {} and plan("train").notes == ()
    assert plan("train", **wanted).decoded == {"new": file}
    assert plan("train", **wanted).notes == (
        "training videos of own are decoded into data/.decoded; how much disk they take is known when they are "
        "checked, and stands in the job's log",
    )
    check()
    assert plan("train", **wanted).notes == (
        "training videos of own are decoded into data/.decoded: 0.000144 GB",
    )
    Path(file).touch()
    assert plan("train", **wanted).decoded == {"new": file}  # the arrays were removed
    Path("data/.decoded/own/train").mkdir(parents=True)
    assert plan("train", **wanted).decoded == {}
    put("data/own/train/d.npy", 12)
    assert plan("train", **wanted).decoded == {"new": file}
    with pytest.raises(
        InputError, match=r"training\.new\.decode_once is true; videos of bouncy_balls are in memory"
    ):
        plan("train", **run(dataset="bouncy_balls", decode_once=True))


@pytest.mark.parametrize("end", ["000100", "latest"])
def test_a_run_goes_on_with_its_settings_alone(plan, end):
    saved = check_settings("new", RUN).to_flat()
    save(f"checkpoints/new/model_{end}.pt", **saved)
    told = {"step": 100, "seed": 1, "sha256": {"model": ""}}
    write_bytes(f"checkpoints/new/opt_{end}.pt", encode(told))
    longer = {"steps": 200, "save_latest_only": end == "latest"}
    with pytest.raises(
        InputError,
        match=r"training\.new: checkpoints/new was trained with other settings: dropout was 0.0 and is 0.1 \(the saved "
        r"weights are of that network and diffusion\); put them back or name another run, which start_from can",
    ):
        plan("train", **run(dropout=0.1, **longer))
    assert plan("train", **run(save_interval=50, microbatch=1, lr=1.0e-3, batch_size=2, **longer)).checks
    Path(f"checkpoints/new/model_{end}.pt").write_bytes(b"damaged")
    assert plan("train", **run(dropout=0.1, **longer)).checks  # the job looks for another set


def test_a_start_file_is_looked_at_while_planning(plan):
    path = "checkpoints/other/ema_0.9_000100.pt"
    with pytest.raises(
        InputError, match=rf"^config key training\.new\.start_from: no checkpoint {path}; there is no folder"
    ):
        plan("train", **run(start_from=path))
    save(path, **check_settings("other", RUN | {"num_channels": 64}).to_flat())
    with pytest.raises(
        InputError, match=rf"start_from: {path} is no start for this run: its network has num_channels 64"
    ):
        plan("train", **run(start_from=path))
    assert plan("train", **run(start_from=path, num_channels=64)).checks
    saved = check_settings("new", RUN | {"start_from": "gone.pt"}).to_flat()
    save("checkpoints/new/model_000010.pt", **saved)
    write_bytes("checkpoints/new/opt_000010.pt", encode({"step": 10, "seed": 1, "sha256": {"model": ""}}))
    assert plan("train", **run(start_from="gone.pt")).checks  # the run has begun


def test_a_run_waits_for_the_one_that_it_starts_from(plan):
    first = RUN | {"ema_rate": "0.99"}
    later = RUN | {"start_from": "checkpoints/first/ema_0.99_000100.pt"}
    config = configured(training={"new": later, "first": first})
    assert trained_before(config, "new") == "first" and trained_before(config, "first") is None
    assert runs_to_train(config, ["train_new"], []) == ["new", "first"]
    assert plan("train_new", training={"new": later, "first": first}).checks.keys() == {"new", "first"}
    with pytest.raises(InputError, match=r"training\.new\.start_from: no checkpoint checkpoints/first/"):
        plan("train_new", training={"new": later, "first": first | {"steps": 99}})
    circle = first | {"start_from": "checkpoints/new/ema_0.9999_000100.pt"}
    with pytest.raises(InputError, match="runs would wait for each other: new -> first -> new"):
        plan("train_new", training={"new": later, "first": circle})


def test_a_run_waits_for_the_last_of_a_file_that_is_written_again_and_again(plan):
    first = RUN | {"ema_rate": "0.99", "save_latest_only": True}
    later = RUN | {"start_from": "checkpoints/first/ema_0.99_latest.pt"}
    unfinished = checkpoint_dict({}, check_settings("first", first).to_flat(), 50)
    write_bytes(later["start_from"], encode(unfinished))
    assert trained_before(configured(training={"new": later, "first": first}), "new") == "first"


VDM = "results/far/model_000100_respace10/vdm_9_4_12_2"
SECOND = {"strategy": "google", "second": {"run": "gaps", "checkpoint": NAME}}


@pytest.fixture
def vdm(plan):
    """A function that plans a sample of a mode with a second checkpoint, and what that is trained on."""
    save("checkpoints/far/model_000100.pt", dataset="own", image_size=32, max_frames=9)
    sample = f"{VDM}/samples/sample_0000-0.npy"

    def call(mode=SECOND, target=sample, gaps=None):
        training = {"training": {} if gaps is None else {"gaps": RUN | {"max_frames": 9} | gaps}}
        try:
            register_modes({"vdm": mode})
            return plan(target, modes={"vdm": mode}, **training)
        finally:
            register_modes({})

    return call


def test_the_training_of_a_second_checkpoint_is_done_first(vdm):
    assert vdm(gaps={}).checks.keys() == {"gaps"} and not vdm(gaps={}).warnings
    assert vdm(gaps={}, target=f"{VDM}/elbos/elbo_0000.npy").checks.keys() == {"gaps"}
    assert not vdm(gaps={}, target=f"{VDM}/plan.png").checks
    (warning,) = vdm(gaps={"max_frames": 4}).warnings
    assert warning == f"{VDM}: windows of 9 frames for gaps, which was trained with 4"
    save(f"checkpoints/gaps/{NAME}.pt", dataset="own", image_size=32, max_frames=9)
    assert not vdm().checks


def test_the_page_on_two_checkpoints_plans_both_trainings(plan):
    page = (Path(__file__).parents[2] / "docs/two-checkpoints.md").read_text()
    Path("vdm.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    own = check_plain("vdm.yaml") | {"bouncy_balls": {"train": 2, "test": 24, "length": 100}}
    register_modes(own["modes"])
    try:
        call = plan("samples", **own)
        (evaluation,) = call.request.samples
        runs = runs_to_train(configured(**own), [], {evaluation, evaluation.second})
    finally:
        register_modes({})
    assert call.batches["sample"] and not call.warnings and runs == ["every-fourth", "gaps"]


@pytest.mark.parametrize(
    ("gaps", "message"),
    [
        (None, f"no checkpoint checkpoints/gaps/{NAME}.pt; there is no folder checkpoints/gaps"),
        (
            {"steps": 99},
            f"no checkpoint checkpoints/gaps/{NAME}.pt; the configured training of this run makes",
        ),
        ({"image_size": 64}, "its network takes frames of size 64, that of the first checkpoint 32"),
        (
            {"dataset": "bouncy_balls"},
            "it was trained on bouncy_balls, the first checkpoint on own; a mode that names",
        ),
        (
            {"diffusion_steps": 5, "noise_schedule": "cosine"},
            "results/gaps",
        ),  # fewer than the folder's spacing takes
    ],
)
def test_a_second_checkpoint_that_cannot_be_used_is_told_while_planning(vdm, gaps, message):
    with pytest.raises(InputError) as error:
        vdm(gaps=gaps)
    assert str(error.value).startswith(f"config key modes.vdm.second: {message}")


def test_diffusion_steps_of_both_checkpoints_must_agree_without_a_spacing(vdm):
    sample = f"{VDM.replace('_respace10', '')}/samples/sample_0000-0.npy"
    assert vdm(gaps={}, target=sample).checks
    with pytest.raises(
        InputError, match=r"second: it has 400 diffusion steps, the first checkpoint 1000; name a"
    ):
        vdm(gaps={"diffusion_steps": 400}, target=sample)


def test_the_mode_of_a_second_checkpoint_is_checked_while_planning(vdm):
    wrong = SECOND | {"second": {"run": "gaps", "checkpoint": f"{NAME}_ddim"}}
    with pytest.raises(InputError, match=r"modes\.vdm\.second: checkpoint .* names a sampler or a spacing"):
        vdm(wrong, gaps={})
    with pytest.raises(InputError, match=r"vdm_9_4_12_2.*phase 1 alone: one of the two"):
        vdm(SECOND | {"strategy": "autoreg"}, gaps={})
    optimal = f"{VDM.replace('vdm_', 'vdm_optimal-linspace-t_')}/samples/sample_0000-0.npy"
    with pytest.raises(InputError, match="an optimal schedule is searched with one checkpoint"):
        vdm(target=optimal, gaps={})


@pytest.mark.parametrize(
    ("run", "why"),
    [("new", "train_new trains that run"), ("other", "the configuration has no training other")],
)
def test_checkpoints_are_no_targets(plan, run, why):
    target = f"checkpoints/{run}/{NAME}.pt"
    with pytest.raises(InputError, match=f"^{target} is no target: {why}$"):
        plan(target)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (run(lrr=1), "config key training.new.lrr is unknown; did you mean lr? "),
        (run(lr="1e-4"), "config key training.new.lr is '1e-4'; must be a number; YAML takes 1e-4 for a text"),
        (run(max_frames=13), "config key training.new: max_frames is 13; must be 1 to T, which is 12"),
        (run(mask_distribution="unifrom"), "config key training.new: mask_distribution 'unifrom' is unknown"),
        (run(num_channels=33), "config key training.new.num_channels is 33; must be a multiple of 32"),
        (run(image_size=33), "config key training.new.image_size is 33; the network halves it 3 times"),
        (run(noise_schedule="sqrt"), "config key training.new.noise_schedule is 'sqrt'; allowed: linear, "),
        (run(timestep_respacing="ddim3000"), "config key training.new: respacing 'ddim3000': no whole stride"),
        (own(kind="video_foldr"), "config key datasets.own.kind 'video_foldr' is unknown; did you mean video_folder?"),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_is_refused_whatever_is_asked_for(plan, change, message):
    with pytest.raises(InputError) as error:
        plan("plans", **change)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (run(dataset="owm"), "config key training.new: dataset 'owm' is unknown; did you mean own?"),
        (own(path="other"), "config key training.new: dataset own: no folder data/other"),
        (run(image_size=64), "config key training.new.image_size is 64; frames of dataset own have 32"),
        (own(image_size=None, kind="bouncy_balls") | run(image_size=64), "config key training.new.image_size is 64"),
        (own(length=11), "config key training.new: T is 12, but videos of own have 11 frames"),
        (
            run(T=16),
            "config key training.new: train videos of own: data/own/train/a.npy: 12 frames, 16 are needed; "
            "data/own/train/b.npy: 15 frames, 16 are needed",
        ),
        (run(dataset="minerl", image_size=64), "config key training.new: dataset minerl: no folder data/minerl"),
    ],
)  # fmt: skip
def test_a_training_that_cannot_begin_is_refused_if_the_call_needs_it(plan, change, message):
    datasets = {
        "own": {key: value for key, value in change.get("datasets", {"own": OWN})["own"].items() if value}
    }
    for target in ("train", f"{AT}/{MODES[0]}/samples/sample_0000-0.npy"):
        with pytest.raises(InputError) as error:
            plan(target, **change | {"datasets": datasets})
        if target == "train":
            assert str(error.value).startswith(message)
        assert "\n" not in str(error.value)
    plan("plans", **change | {"datasets": datasets})


def test_a_missing_split_is_named(plan):
    Path("data/own/train").rename("data/own/training")
    with pytest.raises(InputError, match=r"dataset own: no folder data/own/train$"):
        plan("train")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (f"{AT}/autoreg_4_4_12_4/metrics_4-1-12.pkl", "video 3 is asked for, but own has 3 at most, from 0"),
        (f"{AT}/autoreg_4_4_15_4/metrics_3-1-15.pkl", "test videos of own: data/own/test/a.npy: 12 frames, 15 are"),
        (f"{AT}/minerl_autoreg_4_4_12_4/metrics_1-1-12.pkl", "dataset minerl: no folder data/minerl"),
        (f"{AT}/minerI_autoreg_4_4_12_4/metrics_1-1-12.pkl", "dataset 'minerI' is unknown; did you mean minerl?"),
        (f"{AT}_respaceddim3000/autoreg_4_4_12_4/metrics_1-1-12.pkl", "no whole stride takes 3000 of 1000 steps"),
        (f"{AT}_respace1001/autoreg_4_4_12_4/metrics_1-1-12.pkl", "cannot take 1001 steps from a section of 1000"),
        (f"{AT}_respace0/autoreg_4_4_12_4/metrics_1-1-12.pkl", "is not of the form"),
        (f"{AT}_respace5,,5/autoreg_4_4_12_4/metrics_1-1-12.pkl", "is not of the form"),
        (f"{AT}_respace1/autoreg_4_4_12_4/elbos_1.json", "an ELBO needs 2 diffusion steps or more, respacing leaves 1"),
        (f"{AT}/hierarchy-2_optimal_4_2_12_4/optimal_schedule.json", "optimal.diffusion_steps is 1200, the checkpoint"),
        (f"{AT}/minerl_hierarchy-2_optimal_4_2_12_4/optimal/stage_1.json", "dataset minerl: no folder data/minerl"),
        (f"{AT}_dpm_respace10/rolling-4_6_1_12_4/metrics_1-1-12.pkl", "rolling-4_6_1_12_4: sampler 'dpm' needs more"),
        (f"{AT}_ddim_respace10/joint-11_6_2_12_4/metrics_1-1-12.pkl", "11 noise levels, but there are 10 diffusion"),
        (f"{AT}/gradientmethod_sequential_6_2_12_4/metrics_1-1-12.pkl", "gradientmethod_ guides windows of one noise"),
        (f"{AT}/rolling-4_6_3_12_4/metrics_1-1-12.pkl", "step_size is 3, must divide the queue of 4 frames"),
        (f"{AT}/rolling-4_6_1_12_4/elbos_1.json", "has no ELBO: its windows hold noisy frames"),
        (f"results/old/{NAME}/hierarchy-2_optimal_4_2_12_4/optimal/stage_1.json", "^no checkpoint checkpoints/old/"),
        (f"results/old/{NAME}/hierarchy-2_optimal_4_2_12_4/plan.png", "^no checkpoint checkpoints/old/"),
        (f"results/old/{NAME}/autoreg_4_4_12_4/model_config.json", "^no checkpoint checkpoints/old/"),
        (f"{AT}_respaceddim3000/autoreg_4_4_12_4/model_config.json", "no whole stride takes 3000 of 1000 steps"),
    ],
)  # fmt: skip
def test_samples_that_cannot_be_made_are_refused(plan, target, message):
    with pytest.raises(InputError, match=message) as error:
        plan(target, optimal={"diffusion_steps": 1200, "videos": 1200})
    assert "\n" not in str(error.value)


def test_only_the_videos_that_are_asked_for_must_be_long_enough(plan):
    Path("data/own/test/a.npy").rename("data/own/test/d.npy")
    plan(f"{AT}/autoreg_4_4_15_4/metrics_2-1-15.pkl")
    with pytest.raises(InputError, match=r"data/own/test/d\.npy: 12 frames, 15 are needed"):
        plan(f"{AT}/autoreg_4_4_15_4/metrics_3-1-15.pkl")


def test_many_short_videos_are_counted(plan):
    for number in range(30):
        put(f"data/own/train/{number}.npy", 5)
    with pytest.raises(InputError, match=r"5 frames, 12 are needed; and 20 more$"):
        plan("train")


def test_what_a_check_found_is_known_while_planning(plan):
    """As long as nothing has changed: compressed videos are never read while planning."""
    put("data/own/train/d.npy", 11)
    (report := check()).problems == () and report.videos == 4
    with pytest.raises(
        InputError, match=r"d\.npy: 11 frames, 12 are needed; the target check_data looks again$"
    ):
        plan("train")
    assert not plan("train", **run(T=11)).checks
    put("data/own/train/e.npy", 12)
    assert plan("train", **run(T=11)).checks
    check()
    assert not plan("train", **run(T=11)).checks
    Path("data/own/train/d.npy").unlink()
    assert plan("train").checks
    check()
    assert not plan("train").checks
    check("test")
    with pytest.raises(InputError, match="video 3 is asked for, but own has 3, from 0"):
        plan(f"{AT}/autoreg_4_4_12_4/metrics_4-1-12.pkl")


def test_a_check_reads_each_file_once(plan, monkeypatch):
    read = []
    examine = VideoFolder.examine

    def reading(source, counted):
        def counting(path, count):
            return counted(path, lambda: (read.append(path.name), count())[1])

        return examine(source, counting)

    monkeypatch.setattr(VideoFolder, "examine", reading)
    Path("data/own/train/broken.npy").write_bytes(b"no array")
    first = check(needed=12)
    assert (first.videos, len(first.problems)) == (3, 1)
    assert read == ["a.npy", "b.npy", "broken.npy", "c.npy"]
    read.clear()
    assert check(needed=12) == first
    assert read == ["broken.npy"]  # what is wrong may have been the disk
    read.clear()
    put("data/own/train/b.npy", 14)
    put("data/own/train/new.npy", 12)
    assert check(needed=15).videos == 1
    assert read == ["b.npy", "broken.npy", "new.npy"]
    read.clear()
    check(needed=12, **own(image_size=16))
    assert len(read) == 5  # another size: nothing is known


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"settings": 1, "videos": [[1]]}', "\x00"])
def test_a_damaged_record_costs_a_check(plan, content):
    report = check()
    record = record_file("own", "train")
    record.write_text(content)
    assert plan("train").checks
    assert check() == report
    assert not plan("train").checks


def test_a_folder_that_was_missing_is_found(plan):
    Path("data/own").rename("data/away")
    assert check().problems == ("data/own: no such folder",)
    Path("data/away").rename("data/own")
    assert plan("train").checks


@pytest.mark.parametrize("known", ["training", "checkpoint"])
def test_larger_windows_than_those_of_the_training_are_told_once(plan, known):
    changes = run(max_frames=5)
    if known == "checkpoint":  # which wins
        changes = run(max_frames=12)
        save(f"checkpoints/new/{NAME}.pt", max_frames=5, image_size=32)
    targets = [
        f"{AT}/autoreg_{window}_4_12_4/{file}"
        for window in (5, 6)
        for file in ("metrics_2-1-12.pkl", "elbos_2.json")
    ]
    warning = f"{AT}/autoreg_6_4_12_4: windows of 6 frames, the model was trained with 5"
    assert plan(*targets, **changes).warnings == (warning,)


@pytest.mark.parametrize("trained", ["per_window", "per_frame"])
def test_levels_per_frame_that_a_network_does_not_know_are_told_once(plan, trained):
    save(f"checkpoints/new/{NAME}.pt", image_size=32, noise_levels=trained)
    targets = [f"{AT}_respace4/rolling-4_6_1_12_4/metrics_{videos}-1-12.pkl" for videos in (1, 2)]
    warnings = plan(*targets).warnings
    assert len(warnings) == (trained == "per_window")
    assert all("rolling-4_6_1_12_4: its frames are at noise levels of their own" in line for line in warnings)


def test_the_network_of_a_checkpoint_must_have_the_size_of_the_frames(plan):
    save(f"checkpoints/new/{NAME}.pt", image_size=64)
    with pytest.raises(
        InputError, match="frames of dataset own have size 32, the checkpoint's network takes 64"
    ):
        plan(f"{AT}/autoreg_4_4_12_4/metrics_2-1-12.pkl", **run(image_size=32))


def test_all_splits_in_use_are_checked(plan):
    def used(**changes):
        config = configured(**changes)
        return used_datasets(config, read_grid(config.grid), Datasets(config))

    assert used() == [("own", "test", 1), ("own", "train", 12)]
    assert used(**run(T=13)) == [("own", "test", 1), ("own", "train", 13)]
    block = {"runs": ["new"], "checkpoints": [NAME], "modes": ["autoreg_4_4_15_4"], "videos": 1, "samples": 1}
    assert used(grid=[block], **own(length=13)) == [
        ("own", "test", 13),
        ("own", "train", 13),
    ]  # the rest goes beyond
    assert used(**run(dataset="other")) == [("other", "train", 12)]
    save(f"checkpoints/new/{NAME}.pt")
    assert used(**run(T=13)) == [("own", "test", 1), ("own", "train", 1)]  # it is trained
    save(f"checkpoints/their/{NAME}.pt", dataset="own")
    assert used(grid=[block | {"runs": ["their"]}], training={}) == [("own", "test", 15)]


def test_settings_that_a_job_left_tell_the_dataset_of_a_checkpoint_that_is_gone(plan):
    block = {"runs": ["their"], "checkpoints": [NAME], "modes": list(MODES), "videos": 1, "samples": 1}
    write_json(f"results/their/{NAME}/other_4_4_12_4/model_config.json", {"dataset": "own"})
    config = configured(grid=[block], training={})
    assert used_datasets(config, read_grid(config.grid), Datasets(config)) == [("own", "test", 12)]


def test_a_dataset_that_nothing_tells_is_said_to_be_unknown(plan):
    block = {"runs": ["their"], "checkpoints": [NAME], "modes": list(MODES), "videos": 1, "samples": 1}
    config = configured(grid=[block])
    (line,) = unknown_datasets(config, read_grid(config.grid))
    assert line.startswith("run their: its dataset is not known") and f"<dataset>_{MODES[0]}" in line


def test_damaged_weights_of_fvd_are_told_while_planning(plan):
    block = {"runs": ["new"], "checkpoints": [NAME], "modes": list(MODES), "videos": 2, "samples": 1}
    fvd = {"grid": [block], "metrics": {"names": ["fvd"]}}
    plan("metrics", **fvd)
    Path("data/fvd_i3d.pt").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match=r"data/fvd_i3d\.pt: cut off, or not a file of I3D weights$"):
        plan("metrics", **fvd)
    mine = {"names": ["fvd"], "fvd": {"weights": "data/mine.pt"}}
    with pytest.raises(
        InputError, match=r"metrics\.fvd\.weights names: data/mine\.pt; data holds .*fvd_i3d\.pt"
    ):
        plan("metrics", **fvd | {"metrics": mine})
    Path("data/mine.pt").touch()
    with pytest.raises(InputError, match=r"fvd\.weights: data/mine\.pt: cut off, or not a file of weights$"):
        plan("metrics", **fvd | {"metrics": mine})
    torch.save({}, "data/mine.pt")
    plan("metrics", **fvd | {"metrics": mine})


@pytest.mark.parametrize("target", [f"{AT}/adaptive-autoreg_4_2_12_4/metrics_1-1-12.pkl", "metrics"])
def test_damaged_weights_are_told_while_planning(plan, target):
    block = {"runs": ["new"], "checkpoints": [NAME], "modes": list(MODES), "videos": 1, "samples": 1}
    lpips = {"grid": [block], "metrics": {"names": ["lpips"]}}
    plan(target, **lpips)
    Path("data/lpips_alexnet.pt").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match=r"data/lpips_alexnet\.pt: cut off, or not a file of LPIPS weights$"):
        plan(target, **lpips)
    plan("samples", **lpips)
    plan("metrics", **lpips | {"metrics": {"names": ["psnr"]}})


@pytest.mark.parametrize(
    ("held", "wanted", "device", "message"),
    [
        ("float32", "bfloat16", "auto", "precision was 'float32', is now 'bfloat16'"),
        ("tf32", "auto", "cpu", "holds samples in tf32, which device cpu does not have: run this on a GPU"),
        ("tf32", "auto", "auto", None),
        ("float32", "auto", "cpu", None),
        ("bfloat16", "auto", "cpu", None),
        ("bfloat16", "bfloat16", "cuda", None),
    ],
)
def test_samples_of_another_precision_are_refused_while_planning(plan, held, wanted, device, message):
    save(f"checkpoints/new/{NAME}.pt", dataset="own", image_size=32)
    directory = Path(AT, MODES[0])
    write_json(directory / "fingerprint.json", {"precision": held, "plan_sha256": plan_sha256(MODES[0])})
    settings = {"sampling": {"precision": wanted}, "device": device}
    elbo = plan(f"{directory}/elbos/elbo_0000.npy", **settings)
    assert elbo.batches["elbo"]  # of float32 beside any samples
    if message is None:
        assert plan(f"{directory}/samples/sample_0000-0.npy", **settings).batches["sample"]
    else:
        with pytest.raises(InputError, match=message):
            plan(f"{directory}/samples/sample_0000-0.npy", **settings)


def plan_sha256(mode: str) -> str:
    return make_plan(parse_mode(mode)).sha256
