"""Names, configurations and results from strangers: refused in planning, in one line; nothing runs or appears."""

from __future__ import annotations

import copy
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_project import CHECKPOINT, CONFIG, FOLDER, MODES, Project

from viddiff.errors import InputError
from viddiff.inference.user_modes import register_modes
from viddiff.tree.paths import Evaluation, check_run
from viddiff.workflow.config import check_config, check_plain, load_schema
from viddiff.workflow.preflight import training_rules
from viddiff.workflow.sections import GridBlock
from viddiff.workflow.targets import read_grid, read_request

ROOT = Path(__file__).parents[2]
SCHEMA = load_schema(ROOT / "config" / "schema.yaml")
AUTOREG = MODES[0]
RUN, STEM = CHECKPOINT, FOLDER.rpartition("/")[2]
BLOCK = GridBlock((RUN,), (STEM,), MODES, videos=7, samples=1)

# In place of a run, a checkpoint or a mode.
HOSTILE = [
    "..",
    "../../etc",
    ".hidden",
    "a/../../b",
    "/etc",
    "a//b",
    "a;touch ran;",
    "$(touch ran)",
    "`touch ran`",
    "a|touch ran",
    "a&&touch ran",
    "a>ran",
    "a b",
    " a",
    "a\n",
    "a\nb",
    "a\tb",
    "a\0b",
    "-rf",
    "--configfile",
    "~root",
    "*",
    "{run}",
    "a'b",
    'a"b',
    "a\\b",
    "\x1b[2J",
    "dеmo",  # noqa: RUF001  the second letter is Cyrillic
    "ａ",  # noqa: RUF001  full width
    "１",  # noqa: RUF001
    "a\u202eb",
    "a" * 201,
    "",
]


def one_line(error: Exception) -> str:
    text = str(error)
    assert "\n" not in text and text.isprintable() and len(text) < 1000
    return text


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("part", ["run", "checkpoint", "mode"])
def test_no_such_name_makes_an_evaluation(part, name):
    names = {"run": RUN, "checkpoint": STEM, "mode": AUTOREG}
    attempts = [name, f"a/{name}"] if part == "run" else [name, names[part] + name, name + names[part]]
    for attempt in attempts:
        if (part, attempt) == ("checkpoint", STEM) or (part, attempt) == ("mode", AUTOREG):
            continue  # nothing was added
        with pytest.raises(InputError) as caught:
            Evaluation.named(**names | {part: attempt})
        one_line(caught.value)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_no_such_name_is_a_target(name):
    for folder in (
        f"results/{name}/{STEM}/{AUTOREG}",
        f"results/{RUN}/{name}/{AUTOREG}",
        f"results/{RUN}/{STEM}/{name}",
    ):
        for file in ("metrics_1-1-12.pkl", "plan.json", "samples/sample_0000-0.npy"):
            if "\0" in name or name in ("a//b", "/etc"):
                continue  # no command line has the former; results/a//b is results/a/b
            with pytest.raises(InputError) as caught:
                read_request([f"{folder}/{file}"], [])
            one_line(caught.value)


@pytest.mark.parametrize(
    "target",
    [
        f"results/../../etc/x/{STEM}/{AUTOREG}/metrics_1-1-12.pkl",
        f"{FOLDER}/{AUTOREG}/../../../../../../etc/metrics_1-1-12.pkl",
        f"./results/../x/{STEM}/{AUTOREG}/plan.json",
        f"{FOLDER}/{AUTOREG}/metrics_9999999999-1-12.pkl",
        f"{FOLDER}/{AUTOREG}/metrics_1-9999999999-12.pkl",
        f"{FOLDER}/{AUTOREG}/elbos_9999999999.json",
        f"{FOLDER}/{AUTOREG}/metrics_{'9' * 5000}-1-12.pkl",
        f"{FOLDER}/{AUTOREG}/samples/sample_{'9' * 5000}-0.npy",
        f"results/{'a/' * 600}{STEM}/{AUTOREG}/plan.json",
        f"{FOLDER}_respace{'9' * 100}/{AUTOREG}/plan.json",
    ],
)
def test_targets_out_of_the_tree_or_beyond_all_measure(target):
    with pytest.raises(InputError) as caught:
        read_request([target], [])
    one_line(caught.value)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", ["runs", "checkpoints", "modes"])
def test_no_such_name_is_in_the_grid(key, name):
    block = replace(BLOCK, **{key: (name,)})
    with pytest.raises(InputError, match="config key grid: ") as caught:
        read_grid([block])
    one_line(caught.value)


@pytest.mark.parametrize("name", [name for name in HOSTILE if len(name) <= 200])
@pytest.mark.parametrize("section", ["training", "modes", "datasets", "dataset of a training"])
def test_no_such_name_is_in_the_configuration(section, name):
    settings = {"dataset": "bouncy_balls", "T": 12, "steps": 100}
    changes = {
        "training": {"training": {name: settings}},
        "modes": {"modes": {name: {"strategy": "autoreg"}}},
        "datasets": {"datasets": {name: {"kind": "video_folder", "path": "x"}}},
        "dataset of a training": {"training": {"a": settings | {"dataset": name}}},
    }[section]
    config = copy.deepcopy(CONFIG) | changes
    with pytest.raises(InputError) as caught:
        check_config(config, SCHEMA)
        training_rules(config["training"])
    one_line(caught.value)


def test_a_run_has_a_name_that_file_systems_take():
    for run in ("a" * 201, "/".join(["a" * 90] * 12)):
        with pytest.raises(InputError, match=r"must have .* at most"):
            training_rules([run])


def test_names_as_in_the_wild_pass():
    for run in (
        "demo",
        "_old/2024-01-01,lr=1e-4+ema.v2",
        "a" * 200,
        "/".join(["a" * 90] * 10),
    ):
        check_run(run)
    mode = "carla_no_traffic_2x_adaptive-l2-hierarchy-2_10_5_300_36"
    assert Evaluation.named("a", STEM, mode).names == ("a", STEM, mode)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"videos": 10**9}, "must be 1000000 files at most"),
        ({"videos": 10**4, "samples": 10**4}, "must be 1000000 files at most"),
    ],
)
def test_a_grid_beyond_all_measure(changes, message):
    with pytest.raises(InputError, match=message):
        read_grid([replace(BLOCK, **changes)])


@pytest.mark.parametrize(
    "file",
    [
        "/tmp/zigzag.py",
        "../zigzag.py",
        "a/../../zigzag.py",
        "zigzag",
        "zigzag.py; touch ran",
        "a\0.py",
        "$(x).py",
    ],
)
def test_a_modes_file_lies_in_the_project(tmp_path, monkeypatch, file):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for place in (tmp_path / "zigzag.py", folder / "zigzag"):
        place.write_text("from pathlib import Path\nPath('ran').touch()\n")
    with pytest.raises(InputError, match=r"config key modes\.zigzag: (file is|no file)") as caught:
        register_modes({"zigzag": {"file": file}})
    assert "\n" not in str(caught.value)
    assert not (folder / "ran").exists()


def laughs(levels: int = 12, merge: bool = False) -> str:
    """A few hundred bytes of YAML that stand for 9**levels values."""
    lines = ["a0: &a0 {x: 1}" if merge else "a0: &a0 [x]"]
    for level in range(1, levels):
        many = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} {{'<<': [{many}]}}" if merge else f"a{level}: &a{level} [{many}]")
    return "\n".join(lines) + f"\ngrid: *a{levels - 1}\n"


TEMPLATE = """
__use_yte__: true
data_root: '?__import__("pathlib").Path("ran").touch() or "data"'
"""
OBJECT = 'data_root: !!python/object/apply:os.system ["touch ran"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEMPLATE, "has the key __use_yte__"),
        ('"__use\\x5fyte__": 1\n', "has the key __use_yte__"),
        ("a: &a {__use_yte__: true}\n<<: *a\n", "has the key __use_yte__"),
        (OBJECT, "could not determine a constructor"),
        ("a: !!python/name:os.system\n", "could not determine a constructor"),
        (laughs(), "holds more than"),
        (laughs().replace("'<<'", "<<"), "holds more than"),
        (laughs(merge=True).replace("'<<'", "<<"), "holds more than"),
        ("a: &a [*a]\n", "more than 50 levels deep"),
        ("a: " + "[" * 100_000, "recursion|levels deep"),
        ("a: " + "[" * 100 + "]" * 100, "levels deep"),
        ("# " + "x" * 2**20, "more than 1048576 bytes"),
        ("a: [", "not a configuration"),
        ("\x00", "not a configuration"),
        ("1" * 5000 + ": 1", "not a configuration"),
        ("- a", "must hold keys"),
    ],
)
def test_a_hostile_configuration_file(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    path = Path("config.yaml")
    path.write_text(text)
    with pytest.raises(InputError, match=rf"^config\.yaml: .*{message}") as caught:
        check_plain(path)
    one_line(caught.value)
    assert not Path("ran").exists()


@pytest.mark.parametrize("text", [laughs(), "grid: &a [*a]\n"])
def test_a_configuration_that_was_read_is_counted_first(text):
    with pytest.raises(InputError, match="the config holds more than"):
        check_config(yaml.safe_load(text), SCHEMA)


def test_the_shipped_configurations_are_plain():
    for path in (ROOT / "config").glob("*.yaml"):
        check_plain(path)


def files(root: Path) -> set[str]:
    """All files of a folder but what Snakemake notes down."""
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {path for path in found if ".snakemake" not in path}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEMPLATE, "error: config/config.yaml: has the key __use_yte__"),
        (laughs(), "error: config/config.yaml: not a configuration: holds more than"),
    ],
    ids=["template", "laughs"],
)
def test_snakemake_is_not_shown_a_hostile_configuration(fresh, text, message):
    (fresh.root / "config" / "config.yaml").write_text(text)
    before = files(fresh.root.parent)
    assert message in fresh.refused("-n")
    assert files(fresh.root.parent) == before


def test_another_configuration_file_is_refused_too(fresh):
    """Before Snakemake reads it, which would run what a template holds."""
    for name, text, message in (
        ("object.yaml", OBJECT, "object.yaml: not a configuration: could not determine a constructor"),
        ("template.yaml", TEMPLATE, "template.yaml: has the key __use_yte__"),
        ("laughs.yaml", laughs(), "laughs.yaml: not a configuration: holds more than"),
    ):
        (fresh.root / name).write_text(text)
        assert message in fresh.refused("-n", "--configfile", name)
    assert not (fresh.root / "ran").exists()


@pytest.mark.parametrize(
    "target",
    [
        f"results/../../etc/x/{STEM}/{AUTOREG}/metrics_1-1-12.pkl",
        f"/tmp/viddiff/results/{RUN}/{STEM}/{AUTOREG}/plan.json",
        f"results/a;touch ran;$(touch ran)`touch ran`/{STEM}/{AUTOREG}/plan.json",
    ],
)
def test_nothing_appears_outside_the_tree(fresh, target):
    before = files(fresh.root.parent)
    text = fresh.refused(target)
    assert "error: " in text or "No rule to produce" in text
    assert files(fresh.root.parent) == before
    assert not os.path.exists("/tmp/viddiff")


def test_a_truncated_checkpoint_is_refused_before_the_first_job(fresh):
    path = fresh.root / "checkpoints" / RUN / "ema_0.9999_000100.pt"
    path.write_bytes(path.read_bytes()[:-1000])
    assert f"error: checkpoints/{RUN}/ema_0.9999_000100.pt: cut off" in fresh.refused("-n")


class Payload:
    """Unpickled, it makes a file."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def put_results(project: Project) -> None:
    """Results of the grid as a stranger might send them: the tables' numbers, and pickles that nobody should open."""
    for mode in MODES:
        run = Evaluation.named(CHECKPOINT, STEM, mode)
        folder = project.root / run.directory
        (folder / "samples").mkdir(parents=True)
        (folder / "model_config.json").write_text(json.dumps({"dataset": "bouncy_balls"}))
        for video in range(7):
            np.save(project.root / run.sample(video, 0), np.zeros((12, 3, 32, 32), np.uint8))
        (project.root / run.metrics(7, 1, 12)).write_bytes(pickle.dumps({"psnr": Payload()}))
        summary = {
            "mean": 20.0,
            "standard_error_videos": 1.0,
            "standard_error_samples": None,
            "unit": "dB",
            "higher_is_better": True,
            "per_frame": [20.0] * 8,
            "protocol": {"data_range": 1},
        }
        content = {
            "format": 1,
            "videos": 7,
            "samples_per_video": 1,
            "length": 12,
            "obs_length": 4,
            "test_videos_sha256": "0" * 64,
            "metrics": {"psnr": summary},
            "samples": {"../../../../../../etc/passwd": "0"},
        }
        (project.root / run.metrics(7, 1, 12, "json")).write_text(json.dumps(content))


def test_pickles_of_strangers_are_never_opened(fresh, monkeypatch):
    put_results(fresh)
    fresh.make("results/comparison.csv", "metrics", f"{FOLDER}/psnr_12_4.png")
    assert "20.0" in (fresh.root / "results" / "comparison.txt").read_text()
    assert not list(fresh.root.rglob("ran"))
    monkeypatch.chdir(fresh.root)
    pickle.loads((fresh.root / FOLDER / AUTOREG / "metrics_7-1-12.pkl").read_bytes())  # the payload is real
    assert list(fresh.root.rglob("ran"))
