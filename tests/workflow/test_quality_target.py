"""The target `quality`: which evaluations a configuration asks for, what is refused, and a run of the workflow."""

from __future__ import annotations

import copy
import csv
from pathlib import Path

import pytest
from small_project import CHECKPOINT, CONFIG, MODES, save_tiny

from viddiff.errors import InputError
from viddiff.workflow.call import Call, plan_call
from viddiff.workflow.config import check_config, load_schema, read_config
from viddiff.workflow.quality import read_quality, shows_quality
from viddiff.workflow.targets import read_grid

SCHEMA = load_schema(Path(__file__).parents[2] / "config" / "schema.yaml")
STEM = "ema_0.9999_000100"
QUALITY = {
    "run": CHECKPOINT,
    "checkpoint": STEM,
    "modes": list(MODES),
    "samplers": ["ancestral", "ddim_ddim"],
    "evaluations": [2, 5],
    "reference": "ddim_respace8",
    "videos": 7,
    "deciding": ["motion"],
}
METRICS = {"names": ["psnr", "motion", "drift"]}


def configured(**changes):
    """A configuration; changes: of its section `quality`."""
    config = copy.deepcopy(CONFIG | {"metrics": METRICS, "quality": QUALITY | changes})
    check_config(config, SCHEMA)
    return read_config(config)


def names(**changes) -> tuple[list[str], list[str]]:
    """The folders of references and of all others, without the run."""
    config = configured(**changes)
    grid = read_quality(config.quality, config.metrics)
    return tuple(
        ["/".join(cell.evaluation.names[1:]) for cell in cells] for cells in (grid.references, grid.cells)
    )


def plan(*targets: str, **changes) -> Call:
    config = configured(**changes)
    quality = read_quality(config.quality, config.metrics)
    return plan_call(["--cores", "2", *targets], config, read_grid(config.grid), quality=quality)


def test_cells_are_ordinary_evaluations():
    folders = ("_respace2", "_respace5", "_ddim_respaceddim2", "_ddim_respaceddim5")
    references, cells = names()
    assert references == [f"{STEM}_ddim_respace8/{mode}" for mode in MODES]
    assert cells == [f"{STEM}{folder}/{mode}" for mode in MODES for folder in folders]
    # Heun takes 2 n - 1 evaluations of n levels: 5 are 3 levels, and so are 6.
    folders = ("_heun_respace3", "_unipc-order3_respacelogsnr5", "_unipc-order3_respacelogsnr6")
    cells = names(samplers=["heun", "unipc-order3_logsnr"], evaluations=[5, 6], modes=[MODES[1]])[1]
    assert cells == [f"{STEM}{folder}/{MODES[1]}" for folder in folders]
    assert names(reference="ancestral")[0] == [f"{STEM}/{mode}" for mode in MODES]


OBSERVING = ["autoreg_4_2_12_4", "independent_4_2_12_4"]


def test_treatments_are_put_before_each_mode_and_the_reference_has_none():
    small = {"modes": OBSERVING, "samplers": ["ddim"]}
    references, cells = names(treatments=["history-1.5", "none", "noisy-0.1"], evaluations=[2], **small)
    assert references == [f"{STEM}_ddim_respace8/{mode}" for mode in OBSERVING]
    treated = [f"{before}{mode}" for mode in OBSERVING for before in ("history-1.5-", "", "noisy-0.1-")]
    assert cells == [f"{STEM}_ddim_respace2/{mode}" for mode in treated]
    assert names(treatments=["history-2"], evaluations=[8], **small)[1]  # as many as the reference has


def test_what_can_be_left_out():
    needed = {key: QUALITY[key] for key in ("run", "checkpoint", "modes", "videos")}
    config = copy.deepcopy(CONFIG | {"metrics": {}, "quality": needed})
    check_config(config, SCHEMA)
    quality = read_config(config).quality
    assert (quality.samples, quality.reference) == (1, "ancestral_respace250")
    assert quality.deciding == ("fvd", "lpips", "seam", "motion") and quality.evaluations == (5, 10, 20, 50)
    assert read_quality(quality, read_config(config).metrics).cells
    for key in needed:
        with pytest.raises(InputError, match=f"config key quality lacks {key}, which must be given"):
            check_config(
                copy.deepcopy(CONFIG | {"quality": {k: needed[k] for k in needed if k != key}}), SCHEMA
            )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samplers": ["ddmi"]}, "quality.samplers: sampler 'ddmi'"),
        ({"samplers": ["ddim_rho"]}, "quality.samplers: spacing 'rho' of 'ddim_rho' is unknown; "),
        (
            {"samplers": ["ddim_"]},
            "quality.samplers: spacing '' of 'ddim_' is unknown; known: ddim, karras, ",
        ),
        ({"samplers": ["unipc-order9"]}, "quality.samplers: sampler 'unipc-order9'"),
        (
            {"reference": "ddim_10"},
            "quality.reference: 'ddim_10' is not of the form <sampler>[_respace<spec>]",
        ),
        ({"reference": "ddmi_respace9"}, "quality.reference: sampler 'ddmi'"),
        (
            {"reference": "ancestral_respace5"},
            "quality.reference is ancestral_respace5, which ancestral with 5 of quality.evaluations is too",
        ),
        (
            {"treatments": ["history"]},
            "quality.treatments: 'history' is not of the form [history-<w>[-given<w>][-newest<w>]-][noisy-<level>-]",
        ),
        ({"treatments": [""]}, "quality.treatments: '' is not of the form"),
        (
            {"treatments": ["history-1"], "modes": OBSERVING},
            f"quality.treatments: mode 'history-1-{OBSERVING[0]}': history-1: the weight 1 is the mode without",
        ),
        (
            {"treatments": ["history-2"]},
            f"quality.treatments: mode 'history-2-{MODES[0]}': no stage observes frames, so there is no history",
        ),
        (
            {"treatments": ["none", "history-2"], "modes": [f"noisy-0.1-{OBSERVING[0]}"]},
            f"quality.treatments: mode 'noisy-0.1-{OBSERVING[0]}' has noisy-0.1 already",
        ),
        ({"checkpoint": f"{STEM}_ddim"}, f"quality.checkpoint: {STEM}_ddim names a sampler or a respacing"),
        ({"checkpoint": "best"}, "quality.checkpoint: checkpoint 'best' is not of the form"),
        ({"run": "a/../b"}, "quality.run: run is 'a/../b', must be folders"),
        ({"modes": ["autoreg_4_4_12"]}, "quality.modes: mode 'autoreg_4_4_12' is not of the form"),
        ({"modes": ["autoreg_4_9_12_4"]}, "quality.modes: mode 'autoreg_4_9_12_4': "),
        ({"modes": ["autoreg_4_4_None_4"]}, "quality.modes: mode 'autoreg_4_4_None_4': T is not given"),
        (
            {"modes": [MODES[0], "autoreg_4_4_11_4"]},
            f"quality.modes: {MODES[0]} and autoreg_4_4_11_4 complete different videos or frames; ",
        ),
        ({"videos": 1}, "quality.videos is 1, must be 2 at least"),
        ({"videos": 1_000_001}, "quality.videos: 1000001 videos with 1 samples of each: must be 1000000"),
        ({"evaluations": [0]}, "quality.evaluations[0] is 0, must be 1 at least"),
        ({"evaluations": []}, "quality.evaluations is empty"),
        ({"evaluation": [5]}, "quality.evaluation is unknown; did you mean evaluations?"),
        (
            {"deciding": ["fvd"]},
            "quality.deciding: 'fvd', among metrics.names, is unknown; known: drift, motion",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_by_its_key(changes, message):
    with pytest.raises(InputError) as error:
        names(**changes)
    assert str(error.value).startswith(f"config key {message}")


def test_a_metric_without_a_better_direction_decides_nothing():
    config = copy.deepcopy(
        CONFIG | {"metrics": {"names": ["spread"]}, "quality": QUALITY | {"deciding": ["spread"]}}
    )
    check_config(config, SCHEMA)
    config = read_config(config)
    with pytest.raises(InputError, match="of spread neither higher nor lower is better"):
        read_quality(config.quality, config.metrics)


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "checkpoints" / CHECKPOINT / f"{STEM}.pt")


def test_what_the_checkpoint_cannot_do_is_refused(checkpoint):
    with pytest.raises(
        InputError, match=r"config key quality.evaluations: respacing '41': cannot take 41 steps"
    ):
        plan("quality", evaluations=[2, 41], samplers=["ancestral"])
    with pytest.raises(
        InputError, match=r"config key quality.evaluations: respacing 'ddim19': no whole stride"
    ):
        plan("quality", evaluations=[19])
    with pytest.raises(InputError, match=r"config key quality.reference: respacing '250'"):
        plan("quality", reference="ancestral_respace250")
    plan("samples", evaluations=[41])  # which asks for nothing of it
    with pytest.raises(InputError, match=r"config key quality.checkpoint: .*ema_0.9999_000099.pt; "):
        plan("results/quality.csv", checkpoint="ema_0.9999_000099")


def test_the_target_asks_for_its_cells_and_not_for_the_grid(checkpoint):
    for target in ("quality", "results/quality.png", "results/name/quality.csv"):
        call = plan(target, modes=["independent_4_4_12_4"])
        assert {len(pairs) for pairs in call.request.samples.values()} == {7}
        assert {str(evaluation.mode) for evaluation in call.request.samples} == {"independent_4_4_12_4"}
        assert len(call.request.measured) == 5 and not call.request.cells
        assert len(call.together.model_configs) == 1 and len(call.together.model_configs[0]) == 5
    assert len(plan("quality", "samples").request.samples) == 10
    assert not plan("samples").request.quality and not plan().request.quality


def test_without_the_section_the_target_says_what_to_add(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = copy.deepcopy(CONFIG)
    check_config(config, SCHEMA)
    config = read_config(config)
    assert config.quality is None
    with pytest.raises(
        InputError, match=r"has no section quality; it needs, for example, quality: {run: demo"
    ):
        plan_call(["--cores", "2", "quality"], config, read_grid(config.grid))


def test_a_table_of_another_comparison_is_known(tmp_path):
    config = configured()
    grid = read_quality(config.quality, config.metrics)
    table = tmp_path / "quality.csv"
    assert not shows_quality(table, grid, ["motion"])
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("run", "checkpoint", "mode", "videos", "samples", "deciding"))
        rows.writerows((*cell.evaluation.names, 7, 1, "motion") for cell in grid)
    assert shows_quality(table, grid, ["motion"]) and not shows_quality(table, grid, ["motion", "drift"])
    for changes in ({"videos": 6}, {"samples": 2}, {"evaluations": [2]}, {"reference": "ancestral"}):
        config = configured(**changes)
        assert not shows_quality(table, read_quality(config.quality, config.metrics), ["motion"])


@pytest.mark.long
def test_a_run_of_the_workflow(fresh):
    """Samples and metrics that are missing, the three files; then a change of the section, which samples nothing."""
    small = QUALITY | {"modes": [MODES[0]], "samplers": ["ddim"], "evaluations": [1, 3], "videos": 4}
    fresh.configure(metrics=METRICS, quality=small)
    assert "ema_0.9999_000100_ddim_respace3" in fresh.make("-n", "quality")
    fresh.make("quality")
    folder = fresh.root / "results"
    text = (folder / "quality.txt").read_text()
    assert "- no answer: the videos are too few" in text and "decides nothing" not in text
    assert (folder / "quality.png").stat().st_size > 10_000 and not (folder / "comparison.csv").exists()
    with open(folder / "quality.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["evaluations of a stage"] for row in rows] == ["8", "1", "3"]
    assert all(row["motion"] and row["psnr"] for row in rows) and rows[1]["drift verdict"]
    samples = fresh.samples()
    assert len(samples) == 3 * 4
    assert "Nothing to be done" in fresh.make("quality")
    fresh.configure(metrics=METRICS, quality=small | {"evaluations": [3]})
    fresh.make("quality")
    assert fresh.samples() == samples
    assert len((folder / "quality.csv").read_text().splitlines()) == 3
