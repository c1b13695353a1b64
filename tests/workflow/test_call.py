"""What a call makes, without Snakemake: planned, missing, damaged and refused; settings of kinds of rules."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_project import CHECKPOINT, CONFIG, FOLDER, MODES, save_tiny

from viddiff.data.bouncy_balls import write_bouncy_balls
from viddiff.errors import InputError
from viddiff.files.write import save_npy
from viddiff.inference.modes import make_plan
from viddiff.tree.paths import Baseline, Evaluation
from viddiff.workflow.baselines import baselines_of, floor_names, is_outdated, measured_names, other_split
from viddiff.workflow.batches import Span
from viddiff.workflow.call import Call, make_anew, plan_call, spread_settings, submitted_call
from viddiff.workflow.checkpoints import dataset_of
from viddiff.workflow.config import check_config, load_schema, read_config
from viddiff.workflow.page import page_groups
from viddiff.workflow.preflight import plan_is_outdated
from viddiff.workflow.report_files import (
    check_animated,
    check_page,
    contents_file,
    group_cells,
    groups_of,
    is_contents_file,
    report_contents,
    report_files,
    report_folder,
    shown_elsewhere,
)
from viddiff.workflow.targets import Cell, read_grid

ROOT = Path(__file__).parents[2]
SCHEMA = load_schema(ROOT / "config" / "schema.yaml")
AUTOREG = Evaluation.parse(f"{FOLDER}/{MODES[0]}")
AT = str(AUTOREG.directory)


def configured(**changes):
    config = copy.deepcopy(CONFIG | changes)
    check_config(config, SCHEMA)
    return read_config(config)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A function from targets to the call of a project in which nothing was made but what a test puts there."""
    monkeypatch.chdir(tmp_path)

    def call(*targets: str, **changes) -> Call:
        config = configured(**changes)
        return plan_call(["--cores", "2", *targets], config, read_grid(config.grid))

    return call


def planned(call: Call, kind: str) -> list[str]:
    return [str(batch.span) for batch in call.batches[kind]]


def put(*paths: Path) -> None:
    for path in paths:
        if path.suffix == ".npy":
            save_npy(path, np.zeros(4, np.uint8))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def test_the_grid_of_a_new_project_is_planned_in_batches(plan):
    call = plan(grid=[CONFIG["grid"][0] | {"samples": 3}])
    assert planned(call, "sample") == planned(call, "gif") == planned(call, "mp4") == ["0_4", "5_6"]
    assert planned(call, "elbo") == [] and planned(plan("elbos"), "elbo") == ["0_4", "5_6"]
    assert planned(plan(metrics=CONFIG["metrics"] | {"elbos": True}), "elbo") == ["0_4", "5_6"]
    assert (call.damaged, call.renew_costs) == (frozenset(), False)
    kinds = ("sample", "gif", "mp4")
    assert call.kinds() == {f"{kind}_{span}": kind for kind in kinds for span in ("0_4", "5_6")}
    assert planned(plan(videos={"formats": ["gif"]}), "mp4") == []


def test_a_path_is_planned_with_what_it_needs(plan):
    # Neither the mode nor the number of videos is in the configuration.
    folder = f"results/{CHECKPOINT}/ema_0.9999_000100_ddim_respaceddim5/independent_4_2_12_4"
    call = plan(f"{folder}/metrics_6-2-12.pkl")
    assert (planned(call, "sample"), planned(call, "gif")) == (["0_4", "5_5"], [])
    for kind, other in (("gif", "mp4"), ("mp4", "gif")):
        call = plan(f"{AT}/videos/sample_0003-2.{kind}", videos={"formats": ["gif"]})
        assert (planned(call, "sample"), planned(call, kind), planned(call, other)) == (["3_3"], ["3_3"], [])


def test_only_what_is_missing_is_planned(plan):
    put(*(AUTOREG.sample(video, 0) for video in (0, 1, 2, 4)), AUTOREG.elbo(0))
    assert planned(plan(f"{AT}/metrics_5-1-12.pkl"), "sample") == ["3_3"]
    assert planned(plan(f"{AT}/elbos_2.json"), "elbo") == ["1_1"]
    put(
        *(AUTOREG.sample(video, 0) for video in range(3)),
        *(AUTOREG.animation(video, 0, "gif") for video in range(3)),
    )
    call = plan(f"{AT}/metrics_3-1-12.pkl", f"{AT}/plan.png")
    assert not call.kinds() and not call.renew_costs


def test_what_is_there_shares_no_job_with_what_is_missing(plan):
    """The job would give it a new time."""
    put(AUTOREG.sample(1, 0), AUTOREG.animation(1, 0, "gif"), AUTOREG.elbo(1))
    for kind, file in (
        ("sample", AUTOREG.sample),
        ("gif", partial(AUTOREG.animation, ext="gif")),
        ("elbo", lambda video, _: AUTOREG.elbo(video)),
    ):
        call = plan(*(str(file(video, 0)) for video in range(4)))
        assert planned(call, kind) == ["0_0", "1_1", "2_3"]


def test_damaged_files_are_planned_and_named(plan):
    put(*(AUTOREG.sample(video, 0) for video in range(7)), *(AUTOREG.elbo(video) for video in range(2)))
    for path in (AUTOREG.sample(3, 0), AUTOREG.elbo(1)):
        path.write_bytes(path.read_bytes()[:-1])
    call = plan(f"{AT}/metrics_7-1-12.pkl", f"{AT}/elbos_2.json")
    assert call.damaged == {str(AUTOREG.sample(3, 0)), str(AUTOREG.elbo(1))}
    assert (planned(call, "sample"), planned(call, "elbo")) == (["3_3"], ["1_1"])
    assert not plan(f"{AT}/metrics_3-1-12.pkl").damaged


def test_a_plan_is_outdated_that_is_not_the_modes_plan_any_more(plan):
    path = AUTOREG.directory / "plan.json"
    assert not plan_is_outdated(AUTOREG)
    put(path)
    assert plan_is_outdated(AUTOREG)
    path.write_text(make_plan(AUTOREG.mode).to_json())
    assert not plan_is_outdated(AUTOREG)
    path.write_text(path.read_text() + " ")
    assert plan_is_outdated(AUTOREG)


def test_a_call_for_plans_alone_renews_their_cost(plan):
    for targets in (["plans"], [f"{AT}/plan_cost.json"], ["data"]):
        call = plan(*targets)
        assert call.renew_costs and not any(call.batches.values())
    assert not plan("plans", "samples").renew_costs


def test_samples_may_be_longer_than_the_data_but_what_is_measured_may_not(plan):
    folder = f"{FOLDER}/autoreg_4_2_20_4"
    assert plan(f"{folder}/samples/sample_0000-0.npy").batches["sample"]
    assert plan(f"{folder}/metrics_2-1-12.pkl").batches["sample"]
    for target in ("metrics_2-1-13.pkl", "elbos_2.json"):
        with pytest.raises(
            InputError, match="true frames are needed, but videos of bouncy_balls have 12 frames"
        ):
            plan(f"{folder}/{target}")


def test_metrics_that_go_on_beyond_the_truth_are_told_before_any_work(plan):
    metrics = {"names": ["psnr", "motion", "drift"]}
    call = plan(f"{FOLDER}/autoreg_4_2_20_4/metrics_2-1-20.pkl", metrics=metrics)
    assert call.batches["sample"] and call.warnings[-1].endswith(
        "metrics_2-1-20.json: 20 true frames are needed, but videos of bouncy_balls have 12 frames: motion, drift "
        "count all; psnr count those that have a truth"
    )
    with pytest.raises(
        InputError, match=r"metric fvd_windows needs 16 frames with a truth or more, found 12$"
    ):
        plan(f"{FOLDER}/autoreg_4_2_20_4/metrics_2-1-20.pkl", metrics={"names": ["motion", "fvd_windows"]})
    with pytest.raises(
        InputError, match=r"13 true frames .* so that a generated frame has a true one beside it"
    ):
        plan(f"{FOLDER}/autoreg_14_2_20_12/metrics_2-1-20.pkl", metrics=metrics)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (f"{FOLDER}/autoregg_4_2_12_4/samples/sample_0000-0.npy", r"did you mean autoreg\?"),
        (f"{FOLDER}/autoreg_4_2_13_4/metrics_2-1-13.pkl", "bouncy_balls have 12 frames; the key frames of the"),
        (f"{AT}/metrics_8-1-12.pkl", "video 7 is asked for, but bouncy_balls has 7"),
        (f"{AT}/elbos_8.json", "video 7 is asked for, but bouncy_balls has 7"),
        (f"{FOLDER}/gibbs-1-autoreg_4_4_12_4/elbos_2.json", "makes frame 4 again"),
        (f"{FOLDER}/gradientmethod_{MODES[0]}/elbos_2.json", "guidance"),
        (f"results/no/ema_0.9999_000100/{MODES[0]}/metrics_2-1-12.pkl", "^no checkpoint checkpoints/no/ema_0.9999_"),
        (
            f"{FOLDER}/resample-1x50-autoreg_optimal-linspace-t_4_2_8_4/optimal_schedule.json",
            "resample-1x50: goes 50 noise levels up, must be less than the 2 that there are",
        ),
        (f"{AT}/optimal_schedule.json", "is not optimal: it has no _optimal behind its strategy$"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(plan, target, message):
    with pytest.raises(InputError, match=message) as caught:
        plan(target)
    assert "\n" not in str(caught.value)


def test_names_with_commas_are_refused_where_jobs_are_submitted(plan):
    config = configured()
    target = f"{FOLDER.replace('_respace2', '_respace1,1')}/{MODES[0]}/samples/sample_0000-0.npy"
    assert plan(target)
    with pytest.raises(InputError, match=r"_respace1,1/.* has a comma in its name, where Snakemake cuts"):
        plan_call(["--cores", "2", target], config, read_grid(config.grid), here=False)
    done = str(Path(target).parents[1] / "metrics_1-1-12.pkl")
    put(Path(target), Path(done))
    nothing = plan_call(["--cores", "2", done], config, read_grid(config.grid), here=False)
    assert not planned(nothing, "sample")


def test_the_dataset_of_a_checkpoint_that_nothing_trains_is_read_from_it(plan):
    cell = f"results/copy/ema_0.9999_000100/{MODES[0]}"
    save_tiny(Path("checkpoints/copy/ema_0.9999_000100.pt"))
    assert dataset_of(configured(), Evaluation.parse(cell)) == "bouncy_balls"
    with pytest.raises(InputError, match="video 7 is asked for, but bouncy_balls has 7"):
        plan(f"{cell}/metrics_8-1-12.pkl")
    Path("checkpoints/cut").mkdir()
    Path("checkpoints/cut/ema_0.9999_000100.pt").write_bytes(b"PK\x03\x04")
    for run in ("cut", "absent"):
        assert dataset_of(configured(), Evaluation.parse(cell.replace("copy", run))) is None


def test_a_file_of_balls_that_is_there_tells_how_many_it_has(plan):
    write_bouncy_balls("data", "test", 2, 12)
    plan(f"{AT}/metrics_2-1-12.pkl")
    with pytest.raises(
        InputError,
        match=r"video 2 is asked for, but bouncy_balls has 2, from 0, in data/bouncy_balls/test\.pt; where that is "
        r"moved away, as many are made as bouncy_balls\.test says$",
    ):
        plan(f"{AT}/metrics_3-1-12.pkl")


def test_results_that_cannot_be_written_are_refused(plan):
    put(AUTOREG.directory / "samples")
    with pytest.raises(InputError, match=f"^cannot write in {AT}/samples: {AT}/samples is not a folder$"):
        plan(str(AUTOREG.sample(0, 0)))


def test_a_submitted_job_makes_its_own_batch():
    call = submitted_call(["snakemake", "--target-jobs", "sample_5_6:run=a,block=000", "--allowed-rules"])
    assert {kind: [batch.span for batch in rules] for kind, rules in call.batches.items()} == {
        "sample": [Span(1, 5, 6)],
        "gif": [],
        "mp4": [],
        "elbo": [],
    }
    assert (call.damaged, call.renew_costs) == (frozenset(), False)


def test_settings_of_a_kind_hold_for_its_rules_that_have_none_of_their_own():
    settings = SimpleNamespace(
        overwrite_resources={"sample": {"gpu": 2}, "sample_5_6": {"gpu": 0}}, overwrite_threads={"train": 3}
    )
    renamed = SimpleNamespace(modify_rulename=lambda name: name)
    spread_settings(
        SimpleNamespace(resource_settings=settings, modifier=renamed),
        {"sample_0_4": "sample", "sample_5_6": "sample", "gif_0_4": "gif", "train_a": "train"},
    )
    assert settings.overwrite_resources == {
        "sample": {"gpu": 2},
        "sample_0_4": {"gpu": 2},
        "sample_5_6": {"gpu": 0},
    }
    assert settings.overwrite_threads == {"train": 3, "train_a": 3}


def test_files_to_be_made_anew_are_told_to_snakemake():
    workflow = SimpleNamespace(dag=SimpleNamespace(forcefiles={"a"}))
    make_anew(workflow, ["b", "c"])
    assert workflow.dag.forcefiles == {"a", "b", "c"}


def test_the_report_shows_the_cells_of_a_group_side_by_side():
    (block,) = configured().grid
    grid = read_grid([block, replace(block, modes=("autoreg_4_4_8_4",), videos=3)])
    names = [f"{name}_{group}.png" for name in ("contact_sheet", "psnr") for group in ("12_4", "8_4")]
    tables = ["results/comparison.csv", "results/comparison_pairs.csv"]
    assert report_files(grid, ["psnr", "fvd"]) == [*tables, *(f"{FOLDER}/{name}" for name in names)]
    animated = [
        f"{FOLDER}/modes_000{video}_{group}.mp4" for group in ("12_4", "8_4") for video in (0, 1, 2, 3)
    ]
    assert report_files(grid, [], animated=4)[4:] == animated[:-1]  # one cell has three videos
    check_animated(grid, 2)
    with pytest.raises(
        InputError, match=r"^video 3 is asked for, but the configured grid has 3 in all modes"
    ):
        check_animated(grid, 3)
    stem = FOLDER.rpartition("/")[2]
    assert group_cells(grid, CHECKPOINT, stem, "12_4") == grid[:2]
    with pytest.raises(
        InputError, match=f"^the configured grid has nothing at {CHECKPOINT}/{stem} for videos 9_4$"
    ):
        group_cells(grid, CHECKPOINT, stem, "9_4")


def test_blocks_that_measure_other_videos_or_frames_are_pictures_of_their_own():
    (block,) = configured().grid
    grid = read_grid(
        [
            replace(block, modes=(MODES[0],), videos=5),
            replace(block, modes=("independent_4_2_12_4",), videos=3),
            replace(block, modes=(MODES[1],), videos=5),
            replace(block, modes=("independent_4_2_8_4",), videos=3),
        ]
    )
    groups = {
        names[2]: [str(cell.evaluation.mode) for cell in cells] for names, cells in groups_of(grid).items()
    }
    assert groups == {
        "12_4_5-12": list(MODES), "12_4_3-12": ["independent_4_2_12_4"], "8_4": ["independent_4_2_8_4"]
    }  # fmt: skip


def test_contents_of_someone_else_are_not_ours(tmp_path):
    for name in ("report_0123456789ab.json", "report_notes.json"):
        (tmp_path / name).touch()
    (tmp_path / "report_0123456789ac.json").mkdir()
    assert [path.name for path in tmp_path.iterdir() if is_contents_file(path)] == [
        "report_0123456789ab.json"
    ]


@pytest.mark.parametrize("target", ["report", "all"])
def test_an_empty_grid_has_nothing_to_show(plan, target):
    with pytest.raises(InputError, match=f"^config key grid is empty: {target} would have nothing to show$"):
        plan(target, grid=[])


def test_a_page_of_someone_else_is_not_replaced(tmp_path):
    index = tmp_path / "index.html"
    check_page(index)
    index.write_text("<!doctype html>\n<title>mine</title>")
    with pytest.raises(InputError, match=r"index\.html is not a page of viddiff's and is not replaced"):
        check_page(index)
    index.write_text('<link rel="stylesheet" href="assets/page.css">')
    check_page(index)


def test_each_group_of_the_page_has_the_baselines_of_its_videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configured(metrics={"names": ["psnr"]})
    grid = (replace(config.grid[0], modes=("autoreg_4_4_12_4", "autoreg_4_4_12_6")),)
    config = replace(config, grid=grid)
    cells = read_grid(grid)
    baselines = [file for cell in cells for file in baselines_of(config, cell)]
    shown = [[str(path) for path in group.baselines] for group in page_groups(config, baselines)]
    assert shown == [baselines[:2], baselines[2:]]


def test_baselines_are_of_the_videos_that_a_cell_completes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configured(metrics={"names": ["psnr", "crps", "fvd"]})
    block = replace(config.grid[0], modes=("goal-directed-autoreg_4_2_12_4",), frames=10)
    (cell,) = read_grid([block])
    last, other = baselines_of(config, cell)
    folder = "results/.baselines/bouncy_balls/test"
    assert last == f"{folder}/last-frame_4_goals3/metrics_7-1-10.json"  # frames 7 to 9 of 7 to 11
    baseline = Baseline("other-video", "bouncy_balls", "test", 4, 3)
    assert other == str(baseline.metrics(7, 10)) and Baseline.parse(other) == (baseline, 7, 10)
    strange = Evaluation.named("unknown", "ema_0.9999_000100", "autoreg_4_4_12_4")
    assert baselines_of(config, Cell(strange, 1, 1, 12)) == []
    assert measured_names(config.metrics) == ["psnr", "fvd"] and floor_names(config.metrics) == ["fvd"]
    assert [other_split(config, baseline, videos) for videos in (1, 3, 4, 7)] == [
        "test",
        "test",
        "test",
        "test",
    ]
    assert (
        other_split(configured(bouncy_balls={"train": 7, "test": 7, "length": 12, "seed": 0}), baseline, 7)
        == "train"
    )


def test_a_baseline_that_lacks_a_metric_is_outdated(tmp_path):
    metrics, record = configured(metrics={"names": ["psnr", "crps"]}).metrics, tmp_path / "metrics_1-1-9.json"
    for content, outdated in (
        (None, False),
        ({"missing": "too few videos"}, False),
        ({"metrics": {"psnr": {}}}, False),
        ({"metrics": {"ssim": {}}}, True),
        ([], True),
    ):
        if content is not None:
            record.write_text(json.dumps(content))
        assert is_outdated(metrics, str(record)) == outdated


def test_another_report_has_another_name():
    grid = read_grid(configured().grid)
    assert report_contents(grid, 2)["cells"][0] == [AT, 7, 1, 12]
    names = {contents_file(cells, videos) for cells in (grid, grid[:1]) for videos in (2, 3)}
    assert len(names) == 4 and contents_file(list(grid), 2) in names


def test_a_grid_with_a_name_has_its_report_in_a_folder_that_no_run_uses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = read_grid(configured().grid)
    assert report_folder(None, ["a"]) == "results"
    folder = report_folder("wide", ["deep/wide"])
    assert folder == "results/wide"
    assert report_files(grid, ["psnr"], folder)[0] == "results/wide/comparison.csv"
    assert report_files(grid, ["psnr"], folder)[2].startswith(f"results/wide/{CHECKPOINT}/")
    assert contents_file(grid, 2, folder).startswith("results/wide/report_")
    for place in ("checkpoints/wide", f"results/wide/{AUTOREG.checkpoint}/{MODES[0]}"):
        put(tmp_path / place / "plan.json")
        with pytest.raises(InputError, match=r"^config key name is 'wide', but that is a run"):
            report_folder("wide", [])
        shutil.rmtree(tmp_path / place)
    with pytest.raises(InputError, match=r"^config key name is 'wide', but that is a run"):
        report_folder("wide", ["wide/deep"])


def test_a_table_tells_whether_it_shows_another_grid(tmp_path):
    grid, table = read_grid(configured().grid), tmp_path / "plans.csv"
    assert shown_elsewhere(table, grid) == (0, 2)
    rows = ",".join(AUTOREG.names), "a,b,c", ",,last frame repeated"
    table.write_text("\n".join(["run,checkpoint,mode", *rows]))
    assert shown_elsewhere(table, grid) == (1, 1)
    assert shown_elsewhere(table, grid[:1]) == (1, 0)


def test_small_steps_of_a_new_grid_are_made_together(plan):
    """Those alone whose files are missing, and only where they are few and the grid is asked for."""
    together = plan("all").together
    assert [len(jobs) for jobs in together.plans] == [2] and len(together.model_configs) == 1
    assert [[cell.evaluation for cell in jobs] for jobs in together.metrics] == [list(together.plans[0])]
    lengths = {ext: list(map(len, groups)) for ext, groups in together.animations.items()}
    assert lengths == {"gif": [14], "mp4": [14]}
    assert plan("plans").together.plans == together.plans
    assert not planned(plan("all"), "gif") and together.kinds() == {
        "new_metrics_0": "evaluate",
        "new_gifs_0": "gif",
        "new_mp4s_0": "mp4",
    }
    put(AUTOREG.directory / "plan.png", AUTOREG.directory / "model_config.json", AUTOREG.metrics(7, 1, 12))
    together = plan("all").together
    assert not (together.plans or together.model_configs or together.metrics) and together.animations["gif"]
    many = [CONFIG["grid"][0] | {"samples": 3}]
    assert plan("all", grid=many).together.animations["gif"] == [] and planned(plan("all", grid=many), "gif")
    for path in (str(AUTOREG.metrics(7, 1, 12)), "results/comparison.csv"):
        assert not plan(path).together.kinds() and not plan(path).request.cells


def test_a_cluster_gets_a_job_for_each_step_that_goes_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configured()
    call = plan_call(["all"], config, read_grid(config.grid), here=False)
    assert not call.together.metrics and not call.together.animations and planned(call, "gif")
    assert call.together.plans and call.together.model_configs
