"""Paths of the tree of results, both directions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viddiff.diffusion.samplers.base import sampler as samplers
from viddiff.errors import InputError
from viddiff.inference.modes import Mode
from viddiff.tree.paths import CHECKPOINT_PATTERN, RUN_PATTERN, CheckpointName, Evaluation

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "evaluation_directories.json").read_text())
MODE = "autoreg_20_10_300_36"


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["evaluation_directory"])
def test_directories_are_those_of_the_original(row):
    arguments = row["arguments"]
    mode = Mode(
        arguments["inference_mode"],
        *(arguments[key] for key in ("max_frames", "step_size", "T", "obs_length")),
        dataset=arguments.get("override_dataset"),
        gradient_method=arguments.get("use_gradient_method", False),
        trainset=arguments.get("dataset_partition") == "train",
        optimal=arguments.get("optimality"),
    )
    evaluation = Evaluation.parse(row["evaluation_directory"])
    assert evaluation.mode == mode
    checkpoint = evaluation.checkpoint
    assert checkpoint.sampler == ("ddim" if arguments.get("use_ddim") else "ancestral")
    assert checkpoint.respacing == arguments.get("timestep_respacing", "")
    assert checkpoint.step == (arguments.get("step") if checkpoint.stem.endswith("_latest") else None)
    assert evaluation.directory == Path(row["evaluation_directory"])
    assert arguments["checkpoint_path"].endswith(
        str(evaluation.checkpoint_file()).removeprefix("checkpoints")
    )


def test_files_of_a_run():
    run = Evaluation.named("group/3kdr4q5k", "ema_0.9999_latest_250000_ddim_respace25", MODE)
    folder = Path("results/group/3kdr4q5k/ema_0.9999_latest_250000_ddim_respace25") / MODE
    assert run.directory == folder
    assert run.sample(7, 2) == folder / "samples/sample_0007-2.npy"
    assert run.sample(12345, 0) == folder / "samples/sample_12345-0.npy"
    assert run.animation(7, 2, "gif") == folder / "videos/sample_0007-2.gif"
    assert run.beside_truth(7, 2) == folder / "videos/beside-truth_0007-2.mp4"
    assert run.video_grid(7, 2) == folder / "videos/grid_7-2.mp4"
    assert run.metrics(100, 3, 300) == folder / "metrics_100-3-300.pkl"
    assert run.metrics(100, 3, 300, "json") == folder / "metrics_100-3-300.json"
    assert run.checkpoint_file() == Path("checkpoints/group/3kdr4q5k/ema_0.9999_latest.pt")
    refactored = Evaluation.named("2f1gq6ud", "model550000_ddim", MODE)
    assert refactored.checkpoint_file() == Path("checkpoints/2f1gq6ud/model550000.pt")
    assert run.checkpoint_file("/data") == Path("/data/group/3kdr4q5k/ema_0.9999_latest.pt")


@pytest.mark.parametrize(
    ("name", "checkpoint"),
    [
        ("model_000100", CheckpointName("model_000100")),
        ("model_7", CheckpointName("model_7")),
        ("model550000", CheckpointName("model550000")),
        ("model550000_ddim_respace25", CheckpointName("model550000", None, "ddim", "25")),
        ("ema_0.9999_latest_0", CheckpointName("ema_0.9999_latest", 0)),
        ("ema_0.9999_400000_ddim", CheckpointName("ema_0.9999_400000", sampler="ddim")),
        ("ema_1e-05_400000_respace250", CheckpointName("ema_1e-05_400000", respacing="250")),
        (
            "model_latest_9_ddim_respace10,15,20",
            CheckpointName("model_latest", 9, "ddim", "10,15,20"),
        ),
        ("model_1_respaceddim25", CheckpointName("model_1", respacing="ddim25")),
        ("model_1_respacelogsnr10", CheckpointName("model_1", respacing="logsnr10")),
        ("model_1_dpm_respacekarras10", CheckpointName("model_1", None, "dpm", "karras10")),
        ("model_1_ddim-eta0.5_respacetrailing9", CheckpointName("model_1", None, "ddim-eta0.5", "trailing9")),
        ("model_latest_2_unipc-order3", CheckpointName("model_latest", 2, "unipc-order3")),
        ("ema_0.9_7_sde-dpm_respace5", CheckpointName("ema_0.9_7", None, "sde-dpm", "5")),
    ],
)
def test_checkpoint_names(name, checkpoint):
    assert CheckpointName.parse(name) == checkpoint
    assert str(checkpoint) == name


RESPACINGS = st.sampled_from(["", "250", "ddim25", "10,15,20", "logsnr9", "karras9", "trailing9"])
RATES = st.sampled_from(["model", "ema_0.9999", "ema_0.999"])


@settings(deadline=None)
@given(
    (
        st.builds("{}_{:06d}".format, RATES, st.integers(0, 10**9))
        | st.integers(0, 10**9).map("model{:06d}".format)
    ).map(lambda stem: (stem, None))
    | st.tuples(RATES.map("{}_latest".format), st.integers(0, 10**9)),
    st.sampled_from([*samplers.names(), "unipc-order3"])
    | st.integers(1, 100).map(lambda hundredths: f"ddim-eta{hundredths / 100:g}"),
    RESPACINGS,
)
def test_parse_reads_what_str_writes(stem_and_step, sampler, respacing):
    name = CheckpointName(*stem_and_step, sampler, respacing)
    assert CheckpointName.parse(str(name)) == name
    assert re.fullmatch(CHECKPOINT_PATTERN, str(name))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ema_0.9999_latest",
        "model_100_7",
        "model100_7",
        "modellatest_7",
        "ema_0.9999100",
        "opt_000100",
        "ema_x_000100",
        "model_100_respace",
        "model_100_respace0",
        "model_100_respace25_ddim",
        "model_100.pt",
        "model_100\n",
        "../model_100",
    ],
)
def test_other_checkpoint_names_are_refused(name):
    with pytest.raises(
        InputError, match=r"is not of the form .*\[_<sampler>\].* ddim\[-eta<0 to 1>\], "
    ) as caught:
        CheckpointName.parse(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model_100_huen", "sampler 'huen' is unknown; did you mean heun"),
        ("model_100_dpm-eta0.5_respace25", "sampler 'dpm-eta0.5': 'eta0.5' is no option; allowed: dpm"),
        ("model_100_unipc-order2", "sampler 'unipc-order2': write unipc, "),
        ("model_100_ancestral", "write model_100, ancestral is not named"),
    ],
)
def test_a_wrong_sampler_is_told_with_what_is_allowed(name, message):
    with pytest.raises(InputError, match=f"^checkpoint '{name}': {message}"):
        CheckpointName.parse(name)


def test_a_step_with_zeros_in_front_is_told_how_to_write_it():
    with pytest.raises(InputError, match=r"write ema_0\.9_latest_6_ddim, with no zeros before the step"):
        CheckpointName.parse("ema_0.9_latest_000006_ddim")
    with pytest.raises(InputError, match="write model_latest_0, "):
        CheckpointName.parse("model_latest_00")


@pytest.mark.parametrize(
    "fields",
    [
        {"stem": "model_latest"},
        {"stem": "model_100", "step": 100},
        {"stem": "model_100", "respacing": "x"},
        {"stem": "model_100", "sampler": "huen"},
        {"stem": "model_100", "sampler": "ddim_respace5"},
    ],
)
def test_checkpoint_fields_that_make_no_name_are_refused(fields):
    with pytest.raises(InputError):
        CheckpointName(**fields)


@pytest.mark.parametrize(
    "run", ["", "..", "a/../b", "/a", "a/", "a//b", "./a", "-rf", ".a", "a b", "a\n", "é", "a:b"]
)
def test_names_cannot_leave_the_tree(run):
    assert not re.fullmatch(RUN_PATTERN, run)
    with pytest.raises(InputError, match="run is"):
        Evaluation.named(run, "model_000100", MODE)
    with pytest.raises(InputError):
        Evaluation.parse(f"results/{run}/model_000100/{MODE}")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "results",
        f"results/model_000100/{MODE}",
        f"a/results/x/model_000100/{MODE}",
        f"/results/x/m/{MODE}",
    ],
)
def test_other_paths_are_refused(path):
    with pytest.raises(InputError, match="is not an evaluation directory"):
        Evaluation.parse(path)


def test_a_wrong_mode_is_refused():
    with pytest.raises(InputError, match="step_size is 0"):
        Evaluation.named("x", "model_000100", "autoreg_20_0_300_36")


def test_patterns_are_fit_for_wildcards():
    whole = re.compile(rf"results/({RUN_PATTERN})/({CHECKPOINT_PATTERN})/({CHECKPOINT_PATTERN})")
    assert whole.groups == 3
    assert whole.fullmatch(f"results/a/b/c/model_000100/{MODE}").groups() == ("a/b/c", "model_000100", MODE)


def test_names_are_read_without_numpy_or_torch_and_fast():
    code = (
        "import sys, time\nstart = time.process_time()\nimport viddiff.tree.paths\n"
        "print(time.process_time() - start, {'numpy', 'torch'} & sys.modules.keys() or 'light')"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(3)]
    seconds, loaded = min(run.stdout.split(maxsplit=1) for run in runs)
    assert loaded == "light\n"
    assert float(seconds) < 0.2
